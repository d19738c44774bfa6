"""Whatever a kept value depends on is part of the name that it is found by.

A table a cache: what is kept is asked for by its real code, once as it is and once with
each input changed alone. What is no input, labels above all, leaves the name alone.
Decoded images need no table: their file has no name and ends with the process.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.config import DataSettings, ModelSettings, RunSettings
from tfpipeline.config.study import StudySettings
from tfpipeline.core import image_io
from tfpipeline.core.brightness import Ranges
from tfpipeline.data import augment, scan
from tfpipeline.data.sample_ranges import Choice
from tfpipeline.data.sources import drawn_world, tfds
from tfpipeline.demo import world
from tfpipeline.models import arithmetic, classifier, feature_extraction
from tfpipeline.models.throughput import Meter
from tfpipeline.study import pair_cache
from tfpipeline.study.networks import Speeds
from tfpipeline.train import inputs

# Each makes this process compute otherwise.
ARITHMETIC = {
    "env ONEDNN_DEFAULT_FPMATH_MODE": "bf16",
    "env DNNL_DEFAULT_FPMATH_MODE": "any",
    "env TF_SET_ONEDNN_FPMATH_MODE": "BF16",
    "env TF_ENABLE_ONEDNN_OPTS": "0",
    "env NVIDIA_TF32_OVERRIDE": "0",
    "env TF_FP16_CONV_USE_FP32_COMPUTE": "0",
    "env TF_XLA_FLAGS": "--tf_xla_auto_jit=2",
    "tf32": False,
}
NOTHING = {
    "env ONEDNN_DEFAULT_FPMATH_MODE": "STRICT",
    "env XLA_FLAGS": "--xla_dump_to=/tmp/x",
    "env TF_CPP_MIN_LOG_LEVEL": "1",
}


@pytest.fixture(autouse=True)
def _as_it_is(monkeypatch: pytest.MonkeyPatch):
    for name in (*ARITHMETIC, *NOTHING):
        monkeypatch.delenv(name.removeprefix("env "), raising=False)
    yield
    tf.config.experimental.enable_tensor_float_32_execution(True)


def build(size=8, filters=2, mode="tf", seed=0, **more: Any) -> keras.Model:
    """A small classifier."""
    keras.utils.set_random_seed(seed)
    image = keras.Input((size, size, 3))
    maps = keras.layers.Conv2D(filters, 3, **more)(image)
    backbone = keras.Model(image, maps)
    return classifier.build_classifier(backbone, mode, ModelSettings(), 2)


class Asked(Exception):
    """Carries the names that were asked for."""


def features(monkeypatch: pytest.MonkeyPatch, given: Mapping[str, Any]) -> object:
    """What `train` asks the cache of features for, views of them with it."""
    names: list[str] = []

    def fill(self: Any, engine: str, more: tuple[object, ...], *_: object) -> object:
        names.append(self._name(engine, *more))
        return SimpleNamespace(width=2)

    monkeypatch.setattr(feature_extraction.Extraction, "_fill", fill)
    data: dict[str, Any] = {"augmentation": "light", "views": 2}
    data |= {k[5:]: v for k, v in given.items() if k.startswith("data ")}
    settings = RunSettings(seed=given["seed"], data=DataSettings(**data))
    label = np.asarray(given.get("label", [0, 1]), np.int32)
    examples = SimpleNamespace(
        keys=["a", "b"],
        of=lambda split: np.arange(2),
        source=SimpleNamespace(label=label, values=None, target="single"),
        brightness=given.get("ranges", Choice()),
    )
    net = {k[4:]: v for k, v in given.items() if k.startswith("net ")}
    work = SimpleNamespace(
        settings=settings,
        model=build(**net),
        strategy=tf.distribute.get_strategy(),
        meter=Meter(),
        examples=examples,
        alone=SimpleNamespace(plain=None, augmented=None),
        batches=SimpleNamespace(arrange=None, arrange_epoch=None),
        features=None,
    )
    inputs.head_task(work, Path("/nowhere"))  # type: ignore[arg-type]
    assert len(names) == 3
    return tuple(names)


def scans(monkeypatch: pytest.MonkeyPatch, given: Mapping[str, Any]) -> object:
    """Where findings on a file are kept, and what says that it is the same one."""

    class Ledger:
        def __init__(self, folder: Path) -> None:
            raise Asked(folder.name)

    monkeypatch.setattr(scan, "Ledger", Ledger)
    with pytest.raises(Asked) as asked:
        scan.audit([], cache=Path("/nowhere"), max_pixels=given["max_pixels"])
    return str(asked.value)


def prepared(monkeypatch: pytest.MonkeyPatch, given: Mapping[str, Any]) -> object:
    """Which copy of a data set of TFDS is read, after one of its files was changed."""
    folder = Path(given["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("dataset_info.json", "label.labels.txt", "x-train.tfrecord-0-of-1"):
        file = folder / name
        if not file.is_file():
            file.write_text("same")
    if "change" in given:
        file, before = folder / given["change"], os.stat(folder / given["change"])
        file.write_text("else")
        # The system's own time shows what a kept one hides.
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    return tfds._digest(SimpleNamespace(data_dir=str(folder)))


def drawn(monkeypatch: pytest.MonkeyPatch, given: Mapping[str, Any]) -> object:
    """Where the pictures of the source `demo` lie."""
    monkeypatch.setattr(world, "write_folder", lambda *_: None)
    given = dict(given)
    monkeypatch.setattr(world, "WORLD_VERSION", given.pop("version"))
    return drawn_world.drawer(DataSettings(**given))(Path("/nowhere"))


def pairs(monkeypatch: pytest.MonkeyPatch, given: Mapping[str, Any]) -> object:
    """Where a study keeps what came out for a network and a source."""
    own = {k[6:]: v for k, v in given.items() if k.startswith("study ")}
    source = SimpleNamespace(
        labels=given["names"],
        label=np.array(given["label"]),
        weight=given["weight"],
        values=given.get("values"),
        target=given.get("target", "single"),
    )
    split = np.array(given["split"], object)
    examples: Any = SimpleNamespace(keys=given["keys"], split=split, source=source)
    files = pair_cache.PairFiles(StudySettings(**own), Path("/nowhere"))
    return files.done(given["word"], [examples])


def speeds(monkeypatch: pytest.MonkeyPatch, given: Mapping[str, Any]) -> object:
    """Where the time that a network takes is kept."""
    kept = Speeds(Path("/nowhere"), tf.distribute.get_strategy())
    return kept._file(ModelSettings(**given))


Case = tuple[Callable[..., object], dict[str, Any], dict[str, Any], dict[str, Any]]
PAIR = {
    **{"word": "demo", "keys": ["a", "b"], "names": ("x", "y")},
    **{"label": [0, 1], "split": ["train", "test"], "weight": ()},
}
# From a cache to what asks for it, its inputs, others of them, and what is no input.
CACHES: dict[str, Case] = {
    "features": (
        features,
        {"seed": 0},
        {
            **{"seed": 1, "data resize": "crop", "data augmentation": "randaugment"},
            "ranges": Choice(Ranges((("uint16", 0, 4095),)), counts=(("uint16", 1),)),
            **{"net size": 9, "net filters": 3, "net mode": "caffe", "net seed": 1},
            **{"net strides": 2, "net dtype": "float16"},
            **{"rules": (image_io, "RULES"), "view rules": (augment, "RULES")},
            **ARITHMETIC,
        },
        {
            **{"label": [1, 0], "data source": "p", "data classes": "c.csv"},
            **{"net name": "other", "data min_per_class": 3, **NOTHING},
        },
    ),
    "scans": (
        scans,
        {"max_pixels": 100},
        {"max_pixels": 101, "rules": (scan, "RULES")},
        {},
    ),
    "TFDS": (
        prepared,
        {"folder": "a"},
        {"folder": "b", "file dataset_info.json": 0, "file label.labels.txt": 0}
        | {"file x-train.tfrecord-0-of-1": 0},
        {},
    ),
    "drawn": (
        drawn,
        {"version": 1},
        {"version": 2, "demo_per_class": 7, "demo_seed": 1},
        {"classes": "c.csv", "source": "demo"},
    ),
    "pairs": (
        pairs,
        PAIR,
        {
            **{"word": "MobileNet:0.25:none", "keys": ["a", "c"], "names": ("x", "z")},
            **{"weight": (1.0, 2.0), "values": np.eye(2, dtype=np.float32)},
            **{"label": [1, 1], "split": ["test", "train"]},
            **{"study seeds": 7, "study shots": "3", **ARITHMETIC},
        },
        {"study sources": ["p"], "study cache_dir": "c", **NOTHING},
    ),
    "speeds": (
        speeds,
        {"backbone": "MobileNet"},
        {"backbone": "ResNet50", "alpha": 0.5, "image_size": 64, **ARITHMETIC},
        {"weights": "none", **NOTHING},
    ),
}


def ask(monkeypatch, tmp_path: Path, cache: str, more: Mapping[str, Any]) -> object:
    """Return the name of what is kept, with some inputs changed."""
    read, given, *_ = CACHES[cache]
    inside: dict[str, Any] = {**given}
    with monkeypatch.context() as patched:
        patched.chdir(tmp_path)
        for name, value in more.items():
            if name.startswith("env "):
                patched.setenv(name[4:], value)
            elif name == "tf32":
                tf.config.experimental.enable_tensor_float_32_execution(value)
            elif name.startswith("file "):
                inside["change"] = name[5:]
            elif name.endswith("rules"):
                module, attribute = value
                patched.setattr(module, attribute, f"{getattr(module, attribute)}+")
            else:
                inside[name] = value
        return read(patched, inside)


def cases(which: int) -> list[tuple[str, str]]:
    return [(cache, name) for cache, case in CACHES.items() for name in case[which]]


@pytest.mark.parametrize(("cache", "name"), cases(2))
def test_another_input_has_another_name(monkeypatch, tmp_path, cache, name) -> None:
    before = ask(monkeypatch, tmp_path, cache, {})
    assert ask(monkeypatch, tmp_path, cache, {}) == before
    assert ask(monkeypatch, tmp_path, cache, {name: CACHES[cache][2][name]}) != before


@pytest.mark.parametrize(("cache", "name"), cases(3))
def test_what_is_no_input_changes_no_name(monkeypatch, tmp_path, cache, name) -> None:
    before = ask(monkeypatch, tmp_path, cache, {})
    assert ask(monkeypatch, tmp_path, cache, {name: CACHES[cache][3][name]}) == before


def test_where_no_switch_is_set_names_are_those_of_before(tmp_path: Path) -> None:
    extraction = feature_extraction.Extraction(
        SimpleNamespace(), 2, ("a", 1), tmp_path  # type: ignore[arg-type]
    )
    assert arithmetic.switches() == ()
    assert extraction.name == feature_extraction.fingerprint("a", 1)


def test_every_setting_of_data_is_an_input_of_pairs_or_says_where_they_come_from(
    monkeypatch, tmp_path: Path
) -> None:
    before = ask(monkeypatch, tmp_path, "pairs", {})
    for entry in dataclasses.fields(DataSettings):
        data = dataclasses.replace(DataSettings(), **{entry.name: "another"})
        other = ask(monkeypatch, tmp_path, "pairs", {"study data": data})
        assert (other == before) == (entry.name == "source"), entry.name
