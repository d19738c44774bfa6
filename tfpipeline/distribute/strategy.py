"""Which strategy, on which devices, at which precision."""

import contextlib
import functools

import keras
import tensorflow as tf

from tfpipeline.config import DistributeSettings
from tfpipeline.core import hardware
from tfpipeline.core.errors import TemporaryError, UserError, unknown
from tfpipeline.distribute import cluster_env

STRATEGIES = ("auto", "one_device", "mirrored", "multi_worker", "tpu")


def _check(settings: DistributeSettings) -> None:
    """Refuse what cannot work, before anything starts."""
    if settings.strategy not in STRATEGIES:
        raise unknown("--distribute.strategy", settings.strategy, STRATEGIES)
    is_one_process = settings.strategy not in ("auto", "multi_worker")
    if is_one_process and (settings.workers, settings.index) != (None, None):
        raise UserError(
            f"--distribute.strategy {settings.strategy} with --distribute.workers: "
            "expected multi_worker. Leave one of them out."
        )
    if settings.devices is not None and settings.strategy not in ("auto", "mirrored"):
        raise UserError(
            f"--distribute.devices: expected with mirrored only; {settings.strategy} "
            "uses what each process sees. Leave it out."
        )
    if settings.index is not None and settings.workers is None:
        raise UserError("--distribute.index: expected with --distribute.workers.")
    if settings.tpu is not None and settings.strategy != "tpu":
        raise UserError("--distribute.tpu: expected with --distribute.strategy tpu.")


def choose(settings: DistributeSettings) -> tf.distribute.Strategy:
    """Return the strategy that the settings ask for, on the devices that are there.

    Build the model and the optimizer under its `scope()`.
    """
    _check(settings)
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        # It refuses once TensorFlow uses its devices, as in a notebook, and where the
        # user has divided a GPU: then it stays as it is.
        with contextlib.suppress(RuntimeError, ValueError):
            tf.config.experimental.set_memory_growth(gpu, True)
    name = settings.strategy
    if name == "auto" and (settings.workers or cluster_env.has_workers()):
        name = "multi_worker"
    if name == "auto" and settings.devices is not None:
        name = "mirrored"
    if name == "multi_worker":
        return _multi_worker(settings, bool(gpus))
    if name == "tpu":
        return _tpu(settings.tpu)
    if name == "one_device" or (name == "auto" and len(gpus) <= 1):
        return tf.distribute.OneDeviceStrategy("/gpu:0" if gpus else "/cpu:0")
    return _mirrored(tuple(_devices("GPU" if gpus else "CPU", settings.devices)))


@functools.lru_cache(maxsize=None)
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.MirroredStrategy:
    """Return the one strategy of a process over some devices.

    Two such strategies would number their all-reduces alike, and TensorFlow would take
    the second one's for the first one's: a notebook that trains twice would fail.
    """
    return tf.distribute.MirroredStrategy(list(devices))


def _multi_worker(
    settings: DistributeSettings, gpu: bool
) -> tf.distribute.MultiWorkerMirroredStrategy:
    cluster_env.announce(settings.workers, settings.index)
    kinds = tf.distribute.experimental.CommunicationImplementation
    options = tf.distribute.experimental.CommunicationOptions(
        implementation=kinds.AUTO if gpu else kinds.RING
    )
    try:
        # It waits for the other workers, and knocks at their ports until they open.
        return tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    except RuntimeError as error:
        raise UserError(
            f"--distribute.strategy multi_worker: {error} It has to be set up before "
            f"this process uses TensorFlow: run one training per process."
        ) from None
    except tf.errors.OpError as error:
        raise TemporaryError(
            "--distribute.strategy multi_worker: the workers did not find each other: "
            f"{error.message.rstrip('.')}. Are all started, with the same addresses, "
            "and are the ports free?"
        ) from None


def _tpu(name: str | None) -> tf.distribute.TPUStrategy:
    """Nobody has run this yet: no TPU was at hand."""
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=name or "")
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, tf.errors.OpError) as error:
        raise UserError(
            f"--distribute.strategy tpu: no TPU responds: {error}"
        ) from None
    return tf.distribute.TPUStrategy(resolver)


def start(
    settings: DistributeSettings, precision_name: str, seed: int
) -> tf.distribute.Strategy:
    """Choose the strategy, and set the precision and the seed of what is built next."""
    if not 0 <= seed < 2**32:
        raise UserError(f"--seed: expected 0 up to 2**32 - 1. Received: {seed}.")
    strategy = choose(settings)
    if not tf.config.list_physical_devices("GPU"):
        hardware.keep_freed()
    # It warns of every second function that is traced, which is how this is meant.
    tf.get_logger().setLevel("ERROR")
    keras.mixed_precision.set_dtype_policy(precision(precision_name, strategy))
    keras.utils.set_random_seed(seed)
    return strategy


def _devices(kind: str, count: int | None) -> list[str]:
    """Name the first `count` devices; make logical CPUs where there are too few."""
    if kind == "CPU" and count:
        cpu = tf.config.list_physical_devices("CPU")[0]
        logical = [tf.config.LogicalDeviceConfiguration()] * count
        # It refuses once TensorFlow has started its devices: those have to do.
        with contextlib.suppress(RuntimeError):
            tf.config.set_logical_device_configuration(cpu, logical)
    there = [device.name for device in tf.config.list_logical_devices(kind)]
    if count is not None and not 1 <= count <= len(there):
        raise UserError(
            f"--distribute.devices: expected 1 to {len(there)}, as many as there are "
            f"{kind}s. Received: {count}."
        )
    return there[:count]


def precision(name: str, strategy: tf.distribute.Strategy) -> str:
    """Return the Keras policy for a setting: mixed only where the device gains by it.

    `auto` is `mixed_bfloat16` on a TPU, `mixed_float16` on a GPU of compute capability
    7.0 or more (tensor cores) and `float32` elsewhere: on a CPU, bfloat16 was measured
    to be slower.
    """
    policies = ("auto", "float32", "mixed_float16", "mixed_bfloat16")
    if name not in policies:
        raise unknown("--train.precision", name, policies)
    if name != "auto":
        return name
    if isinstance(strategy, tf.distribute.TPUStrategy):
        return "mixed_bfloat16"
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus or not strategy.extended.worker_devices[0].upper().count("GPU"):
        return "float32"
    details = tf.config.experimental.get_device_details(gpus[0])
    capable = details.get("compute_capability", (0, 0)) >= (7, 0)
    return "mixed_float16" if capable else "float32"
