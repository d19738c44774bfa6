"""Strategies by name, and batches that come back in their order."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpipeline import distribute
from tfpipeline.config import DistributeSettings
from tfpipeline.core.errors import TemporaryError, UserError


def test_names_give_the_strategies_they_promise() -> None:
    two = distribute.choose(DistributeSettings("mirrored", 2))
    assert isinstance(two, tf.distribute.MirroredStrategy)
    assert two.num_replicas_in_sync == 2
    for name in ("auto", "one_device"):
        one = distribute.choose(DistributeSettings(name))
        assert one.num_replicas_in_sync == 1


def test_programs_of_one_process_do_not_mix_up_their_reductions() -> None:
    """Two strategies over the same devices would number their all-reduces alike."""
    for length in (3, 5):
        strategy = distribute.choose(DistributeSettings("mirrored", 2))
        with strategy.scope():
            variable = tf.Variable(tf.zeros([length]))

        @tf.function
        def step():
            def one():
                context = tf.distribute.get_replica_context()
                ones = context.all_reduce("SUM", tf.ones([length]))
                variable.assign_add(ones)

            strategy.run(one)

        step()
        np.testing.assert_array_equal(variable.numpy(), 2)


@pytest.mark.parametrize("error", (RuntimeError, ValueError))
def test_a_gpu_that_is_in_use_already_is_taken_as_it_is(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """TensorFlow refuses to change a device that it has started, or that is divided."""
    asked = []

    def refuse(gpu: str, enable: bool) -> None:
        asked.append((gpu, enable))
        raise error("Physical devices cannot be modified")

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a GPU"])
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", refuse)
    strategy = distribute.choose(DistributeSettings("one_device"))
    assert asked == [("a GPU", True)]
    assert strategy.extended.worker_devices[0].upper().endswith("GPU:0")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (DistributeSettings("miror"), "mirrored"),
        (DistributeSettings("mirrored", 3), "1 to 2"),
        (DistributeSettings("mirrored", 0), "1 to 2"),
    ],
)
def test_what_is_not_there_is_told(settings: DistributeSettings, words: str) -> None:
    with pytest.raises(UserError, match=words):
        distribute.choose(settings)


def test_workers_that_do_not_find_each_other_may_the_next_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where a port is still held by the worker that was started before."""

    def refuse(**_: object) -> None:
        raise tf.errors.UnknownError(None, None, "Could not start gRPC server")

    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", refuse)
    monkeypatch.setenv("TF_CONFIG", "")
    given = DistributeSettings("multi_worker", workers="127.0.0.1:1", index=0)
    with pytest.raises(TemporaryError, match="Could not start gRPC server"):
        distribute.choose(given)


def test_precision_is_float32_on_a_cpu_and_what_was_asked_for_else(strategy) -> None:
    assert distribute.precision("auto", strategy) == "float32"
    assert distribute.precision("mixed_bfloat16", strategy) == "mixed_bfloat16"
    with pytest.raises(UserError, match="mixed_float16"):
        distribute.precision("float16", strategy)


def test_starting_seeds_what_comes_next() -> None:
    draws = []
    for _ in range(2):
        distribute.start(DistributeSettings("one_device"), "float32", 7)
        draws.append(np.asarray(keras.random.normal((3,))))
    np.testing.assert_array_equal(*draws)
    with pytest.raises(UserError, match="--seed"):
        distribute.start(DistributeSettings(), "float32", -1)


def test_a_batch_is_split_and_gathered_in_its_order(strategy) -> None:
    size = distribute.replica_multiple(7, strategy)
    assert size % strategy.num_replicas_in_sync == 0 and 7 <= size <= 8
    batch = np.arange(size * 3, dtype=np.float32).reshape(size, 3)
    (parts,) = distribute.split(strategy, (batch,))
    doubled = strategy.run(lambda x: x * 2, args=(parts,))
    np.testing.assert_array_equal(distribute.gather(strategy, doubled), batch * 2)


def test_another_axis_can_be_the_batch(strategy) -> None:
    steps = np.arange(24, dtype=np.float32).reshape(3, 4, 2)
    (parts,) = distribute.split(strategy, (steps,), axis=1)
    local = strategy.experimental_local_results(parts)
    joined = np.concatenate([np.asarray(p) for p in local], axis=1)
    np.testing.assert_array_equal(joined, steps)
