"""Every test runs with two logical CPUs, no network, and warnings as errors."""

import fcntl
import gc
import importlib.util
import os
import shutil
import signal
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["MPLBACKEND"] = "Agg"

# Only after a power cut does it matter what is on the disk; to wait for it would be a
# fifth of a small training.
os.fsync = lambda descriptor: None

HERE = Path(__file__).resolve().parent
ASSETS = Path(
    os.environ.get("TFPIPELINE_ASSETS", HERE.parent.parent / "shared" / "assets")
)

# Keras reads KERAS_HOME once, when it is imported, and writes keras.json into it.
KERAS_HOME = Path(tempfile.mkdtemp(prefix="tfpipeline-keras-home-"))
if (ASSETS / "keras" / "models").is_dir():
    (KERAS_HOME / "models").symlink_to((ASSETS / "keras" / "models").resolve())
os.environ["KERAS_HOME"] = str(KERAS_HOME)


# A frozen network that traces in a tenth of MobileNetV2's time, where any one will do.
PLAIN_WEIGHTS = KERAS_HOME / "plain.weights.h5"
PLAIN = (
    *("--model.backbone", "PlainCNN", "--model.weights", str(PLAIN_WEIGHTS)),
    *("--model.image_size", "32"),
)

# CI has 90 minutes: where a machine is slow, its slow tests end in time, saying so.
BEGAN = float(os.environ.setdefault("TFPIPELINE_TESTS_BEGAN", str(time.time())))
SLOW_MINUTES = float(os.environ.get("TFPIPELINE_SLOW_MINUTES", "inf"))

# Finished results that many tests read, and none may write into.
SHARED: list[Path] = []


def pytest_configure(config: pytest.Config) -> None:
    """Make two logical CPUs before TensorFlow starts its devices."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell has what it starts in the background ignore Ctrl-C; tests send it. To
        # tell each child by code of ours would fork: gRPC, once used, may end a fork.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        return  # Only hands tests to the processes that run them.
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, two)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Look for garbage seldom, and never among what was imported: traces are large."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the temporary Keras home."""
    shutil.rmtree(KERAS_HOME, ignore_errors=True)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave slow tests out where time is up."""
    minutes = (time.time() - BEGAN) / 60
    if minutes > SLOW_MINUTES and item.get_closest_marker("slow"):
        pytest.skip(f"slow, and TFPIPELINE_SLOW_MINUTES={SLOW_MINUTES:g} are over")


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path_factory) -> Iterator[None]:
    """Keep what one test writes out of the next, and out of the user's home."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    before = {folder: set(os.listdir(folder)) for folder in SHARED}
    yield
    for folder, names in before.items():
        more = set(os.listdir(folder)) ^ names
        for name in more:
            (folder / name).unlink(missing_ok=True)
        assert not more, f"this test changed {folder}, which others read: {more}"


@pytest.fixture(scope="session", autouse=True)
def _plain_weights() -> None:
    """Write the weights that `PLAIN` names."""
    import keras

    from tfpipeline.models.registry import build_plain_cnn

    keras.utils.set_random_seed(0)
    build_plain_cnn(32).save_weights(PLAIN_WEIGHTS)


@pytest.fixture
def memory_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where thousands of files cost nothing; else on the disk."""
    if not Path("/dev/shm").is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="tfpipeline-") as folder:
        yield Path(folder)


# Not in `dev`: where both are installed, S3's own protocol is spoken to a server here.
HAS_S3 = all(map(importlib.util.find_spec, ("s3fs", "moto")))


@pytest.fixture(params=["memory", "file", *(["s3"] if HAS_S3 else [])])
def far(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a folder that is not there: a store in memory, of files, of S3."""
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed: [remote]")
    if request.param == "file":
        yield f"file://{tmp_path}/far"
        return
    if request.param == "s3":
        yield request.getfixturevalue("bucket")
        return
    yield "memory://far/away"
    store = fsspec.filesystem("memory")
    store.store.clear()
    store.pseudo_dirs[:] = [""]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a new bucket on a server of this process."""
    server = importlib.import_module("moto.server").ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    store = importlib.import_module("s3fs").S3FileSystem
    store.clear_instance_cache()
    name = f"bucket{uuid.uuid4().hex}"
    store().mkdir(name)
    yield f"s3://{name}/far"
    store.clear_instance_cache()
    server.stop()


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder of real weights and photographs; skips, saying so, where absent."""
    if not (ASSETS / "images").is_dir():
        pytest.skip(f"no real weights and photographs at {ASSETS}")
    return ASSETS


@pytest.fixture(scope="session")
def imagenet(assets: Path) -> None:
    """Ask for ImageNet weights through ``keras.applications`` without a network."""


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every proxy a closed port of this machine: nothing is downloaded."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    # The first request of a process settles the proxies of all that follow.
    monkeypatch.setattr(urllib.request, "_opener", None)


@pytest.fixture(params=["one_device", "two_replicas"])
def strategy(request: pytest.FixtureRequest):
    """Each of the strategies that two CPU cores can really run."""
    from tfpipeline import distribute
    from tfpipeline.config import DistributeSettings

    name = "one_device" if request.param == "one_device" else "mirrored"
    return distribute.choose(
        DistributeSettings(name, None if name == "one_device" else 2)
    )


@dataclass(frozen=True)
class Trained:
    """A run of the embedded default: its folder, its cache, and what it printed."""

    path: Path
    cache: Path
    printed: str


@pytest.fixture(scope="session")
def made_once(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Callable[[str, Callable[[Path], None]], Path]:
    """Make a folder by a function in one of the processes that run tests, for all."""
    base = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        base = base.parent

    def make(name: str, write: Callable[[Path], None]) -> Path:
        folder = base / name
        with open(base / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "made").exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                write(folder)
                (folder / "made").touch()
        return folder

    return make


@pytest.fixture(scope="session")
def demo_run(made_once) -> Trained:
    """The bare command, `python -m tfpipeline.train`, given once for all tests."""
    import contextlib
    import io

    from tfpipeline import cli
    from tfpipeline.config import RunSettings
    from tfpipeline.train.command import train

    def write(folder: Path) -> None:
        argv = ["--workdir", str(folder / "run"), "--cache_dir", str(folder / "cache")]
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            assert cli.main(train, RunSettings, argv) == 0
        (folder / "printed").write_text(printed.getvalue())

    folder = made_once("demo", write)
    SHARED.append(folder / "run")
    return Trained(folder / "run", folder / "cache", (folder / "printed").read_text())


@pytest.fixture(scope="session")
def small_run(made_once) -> Trained:
    """A run with the same classes by 16 layers, 32 pixels: for what any network shows.

    MobileNetV2's 154 take ten times as long to trace, each time that a command starts.
    """
    from tfpipeline import cli
    from tfpipeline.config import RunSettings
    from tfpipeline.train.command import train

    def write(folder: Path) -> None:
        argv = ["--workdir", str(folder / "run"), "--cache_dir", str(folder / "cache")]
        argv += ["--model.backbone", "PlainCNN", "--model.image_size", "32"]
        # 54 validation images: too few for a promise on `accepted`, which tests want.
        argv += ["--data.demo_per_class", "90", "--train.learning_rate", "3e-3"]
        argv += ["--train.epochs", "16", "--quiet"]
        assert cli.main(train, RunSettings, argv) == 0

    folder = made_once("small", write)
    SHARED.append(folder / "run")
    return Trained(folder / "run", folder / "cache", "")


@dataclass(frozen=True)
class Exported:
    """The folder above the versions, of which there are two, and some pictures."""

    base: Path
    pictures: list[Path]

    @property
    def contents(self) -> list[bytes]:
        return [path.read_bytes() for path in self.pictures]


@pytest.fixture(scope="session")
def exported(small_run: Trained, made_once) -> Exported:
    """Two versions of the small run, exported once for all tests."""
    from tfpipeline import cli
    from tfpipeline.config.serving import ExportSettings
    from tfpipeline.demo import world
    from tfpipeline.export.command import export

    def write(folder: Path) -> None:
        argv = ["--run", str(small_run.path), "--output", str(folder / "base")]
        argv += ["--parity_images", "20", "--batch_sizes", "[1, 4]"]
        assert cli.main(export, ExportSettings, argv) == 0
        # The second names fewer classes, so that its answers are told from the first's.
        assert cli.main(export, ExportSettings, [*argv, "--top_k", "2"]) == 0
        world.write_folder(folder / "new", ["rocket", "teapot"], 3, seed=77)

    folder = made_once("served", write)
    return Exported(folder / "base", sorted((folder / "new").rglob("*.png")))


@pytest.fixture(scope="session")
def small_version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version of a small untrained classifier of images of 8 x 8."""
    import keras

    from tfpipeline.config import ModelSettings
    from tfpipeline.data import decode_graph
    from tfpipeline.export import signatures
    from tfpipeline.models import classifier
    from tfpipeline.models.constant_weights import Frozen

    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3))
    backbone = keras.Model(image, keras.layers.Conv2D(4, 3, activation="relu")(image))
    model = classifier.build_classifier(backbone, "tf", ModelSettings(), 3)
    extractor, head = classifier.split_classifier(model)
    answers = signatures.Answers(["a", "b", "c"], top_k=2, accepts_from=0.0)
    reader = decode_graph.Reader(8, 8, "squash")
    path = tmp_path_factory.mktemp("served") / "1"
    # Its weights are variables.
    served = signatures.Served(Frozen(extractor, 0), head, answers, reader)
    signatures.save(path, served)
    return path


@pytest.fixture(scope="session")
def loaded(small_version: Path):
    """The same in memory, for what every signature has to do."""
    from tfpipeline.export import signatures

    return signatures.Loaded(small_version)


@pytest.fixture(scope="session")
def holder(small_version: Path):
    """The same, called stable, as a server holds it."""
    from tfpipeline.export import tf_serving_files
    from tfpipeline.serve import live_versions

    tf_serving_files.write(small_version.parent, "classifier", {"stable": 1}, [1])
    return live_versions.Holder(small_version.parent)
