"""The engine: chosen by a trial, remembered, checked, and TensorFlow in any doubt."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.models import classifier
from tfpipeline.models.constant_weights import Frozen
from tfpipeline.models.engines import bfloat16, choice, litert, trial
from tfpipeline.models.engines.choice import Engines
from tfpipeline.models.engines.names import (
    BFLOAT16,
    CLOSE,
    EXACT,
    LITERT,
    TENSORFLOW,
    TRAINED_ON,
)
from tfpipeline.models.inference import Predictor

ONE = tf.distribute.OneDeviceStrategy("/cpu:0")


class Task:
    """So many images to compute, and what was asked of it."""

    def __init__(self, network, pictures, folder, count: int = 1000) -> None:
        self.network, self.pictures, self.folder = network, pictures, folder
        self.count, self.samples = count, 0

    def engines(self, wish: str = "auto", strategy=ONE) -> Engines:
        digest = classifier.describe(self.network)
        predictor = Predictor(Frozen(self.network), strategy)
        return Engines(self.network, digest, predictor, self.folder, wish)

    def sample(self) -> np.ndarray:
        self.samples += 1
        return self.pictures

    def choose(self, engines: Engines, most_change: float = EXACT) -> str:
        return engines.choose(
            lambda _: self.count, self.sample, most_change=most_change
        )


@pytest.fixture
def task(network, pictures, tmp_path) -> Task:
    return Task(network, pictures, tmp_path / "engines")


@pytest.fixture
def quick(monkeypatch):
    """Let trials happen for small tasks, with clocks that say what is asked of them."""
    took = {TENSORFLOW: 4.0, LITERT: 2.0, BFLOAT16: 1.0}
    monkeypatch.setattr(choice, "LEAST_PIXELS", 0)
    monkeypatch.setattr(choice, "WORTH_SECONDS", 0.0)

    def timed(run, images) -> tuple[np.ndarray, float]:
        if isinstance(run, litert.LiteRT):
            return run(images), took[LITERT]
        is_own = isinstance(run, Predictor | litert.Traced)
        name = TENSORFLOW if is_own else BFLOAT16
        return run(images), took[name]

    monkeypatch.setattr(trial, "timed", timed)
    return took


def test_the_faster_one_is_taken_said_and_remembered(task, quick, capsys) -> None:
    engines = task.engines()
    assert task.choose(engines) == LITERT
    assert "engine: LiteRT, 2 ms an image in a trial (TensorFlow 4)" in (
        capsys.readouterr().err
    )
    expected = np.asarray(task.network(task.pictures, training=False))
    outputs = engines.run(LITERT)(task.pictures)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-6)
    # Whatever a clock would say now, the same command computes the same.
    quick[LITERT] = 100.0
    again = task.engines()
    assert task.choose(again) == LITERT and task.samples == 1
    np.testing.assert_array_equal(again.run(LITERT)(task.pictures), outputs)
    # A few images of the same network are computed by it too: it is at hand.
    task.count = 3
    assert task.choose(task.engines()) == LITERT and task.samples == 1


def test_the_slower_one_is_not_taken_and_not_kept(task, quick) -> None:
    quick[LITERT] = 8.0
    engines = task.engines()
    assert task.choose(engines) == TENSORFLOW and engines.run(TENSORFLOW) is None
    assert engines.milliseconds == {TENSORFLOW: 4.0, LITERT: 8.0}
    assert not list(task.folder.glob("*.tflite"))
    quick[LITERT] = 1.0
    assert task.choose(task.engines()) == TENSORFLOW and task.samples == 1


def test_small_tasks_pay_nothing(task, monkeypatch, capsys) -> None:
    def fail(*_) -> None:
        raise AssertionError("nothing is to be converted")

    monkeypatch.setattr(litert.Traced, "convert", fail)
    for count in (0, 100, choice.LEAST_IMAGES - 1, 1000):
        # The last of them has many images, of 16 x 16 pixels each.
        task.count = count
        assert task.choose(task.engines()) == TENSORFLOW and not task.samples
    # Many images, and yet done before a conversion would be.
    monkeypatch.setattr(choice, "LEAST_PIXELS", 0)
    monkeypatch.setattr(choice, "WORTH_SECONDS", 1e9)
    assert task.choose(task.engines()) == TENSORFLOW
    assert not task.folder.exists() and not capsys.readouterr().err


def test_what_is_computed_already_starts_no_engine(task, quick, monkeypatch) -> None:
    assert task.choose(task.engines()) == LITERT
    engines = task.engines()
    name = engines.choose(
        lambda engine: 1000 if engine == TENSORFLOW else 0,
        task.sample,
        most_change=EXACT,
    )
    assert name == LITERT and engines.run(LITERT) is None


@pytest.mark.parametrize("damage", ["missing", "other bytes"])
def test_a_converted_network_that_is_not_the_checked_one_is_made_again(
    task, quick, damage: str
) -> None:
    task.choose(task.engines())
    (file,) = task.folder.glob("*.tflite")
    before = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(before[:-100] + bytes(100))
    engines = task.engines()
    assert task.choose(engines) == LITERT and task.samples == 2
    assert file.read_bytes() == before
    expected = np.asarray(task.network(task.pictures, training=False))
    np.testing.assert_allclose(
        engines.run(LITERT)(task.pictures), expected, rtol=1e-4, atol=1e-6
    )


def test_litert_is_not_tried_where_convolutions_are_dense(
    task, quick, monkeypatch
) -> None:
    monkeypatch.setattr(bfloat16, "is_supported", lambda: False)
    monkeypatch.setattr(choice, "MOST_DENSE", 0.5)
    # More than half of this network is one convolution of 3 x 3.
    assert task.choose(task.engines()) == TENSORFLOW and not task.samples
    # By name it is.
    assert task.choose(task.engines(LITERT)) == LITERT


def test_an_engine_that_is_clearly_faster_ends_the_trial(
    task, quick, monkeypatch
) -> None:
    monkeypatch.setattr(bfloat16, "is_supported", lambda: True)
    monkeypatch.setattr(litert.Traced, "convert", lambda _: 1 / 0)
    assert task.choose(task.engines(), CLOSE) == BFLOAT16
    again = task.engines()
    assert task.choose(again, CLOSE) == BFLOAT16 and task.samples == 2
    assert set(again.milliseconds) == {TENSORFLOW, BFLOAT16}


def test_other_weights_are_tried_anew(task, quick, pictures, tmp_path) -> None:
    task.choose(task.engines())
    other = keras.models.clone_model(task.network)
    task.network = other
    assert task.choose(task.engines()) == LITERT and task.samples == 2


def test_an_engine_that_computes_something_else_is_refused(
    task, quick, monkeypatch, capsys
) -> None:
    wrong = keras.models.clone_model(task.network)
    content = litert.Traced(wrong).convert()
    monkeypatch.setattr(litert.Traced, "convert", lambda _: content)
    engines = task.engines()
    assert task.choose(engines) == TENSORFLOW and engines.run(LITERT) is None
    kept = json.loads(next(task.folder.glob("*.json")).read_text())
    assert "differ from TensorFlow" in kept["failed"][LITERT]
    # By name it is said, and computed all the same.
    assert task.choose(task.engines(LITERT)) == TENSORFLOW
    assert "engine: TensorFlow; not LiteRT: its outputs differ" in (
        capsys.readouterr().err
    )


def test_a_network_that_cannot_be_converted_stays_in_tensorflow(
    pictures, tmp_path, quick, capsys
) -> None:
    image = keras.Input((16, 16, 3))

    @keras.saving.register_keras_serializable("tests")
    class Odd(keras.layers.Layer):
        def call(self, x):
            return tf.math.bessel_i1e(x)

    pooled = keras.layers.GlobalAveragePooling2D()(Odd()(image))
    task = Task(keras.Model(image, pooled), pictures, tmp_path / "engines")
    assert task.choose(task.engines(LITERT)) == TENSORFLOW
    assert "engine: TensorFlow; not LiteRT: " in capsys.readouterr().err
    assert task.choose(task.engines()) == TENSORFLOW


def test_a_trace_for_both_that_fails_leaves_tensorflow(
    task, quick, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(litert.Traced, "__init__", lambda *_: 1 / 0)
    monkeypatch.setattr(trial, "timed", lambda run, images: (run(images), 4.0))
    assert task.choose(task.engines()) == TENSORFLOW
    kept = json.loads(next(task.folder.glob("*.json")).read_text())
    assert "ZeroDivisionError" in kept["failed"][LITERT]
    assert task.choose(task.engines(LITERT)) == TENSORFLOW
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_by_name_there_is_no_trial(task, capsys) -> None:
    task.count = 3
    engines = task.engines(LITERT)
    assert task.choose(engines) == LITERT and engines.run(LITERT) is not None
    assert task.choose(task.engines(TENSORFLOW)) == TENSORFLOW


def test_bfloat16_is_for_training_only(task, quick, monkeypatch) -> None:
    monkeypatch.setattr(bfloat16, "is_supported", lambda: True)
    engines = task.engines()
    assert task.choose(engines, TRAINED_ON) == BFLOAT16
    assert task.choose(engines) == LITERT
    # By name what is reported is TensorFlow's, in float32.
    named = task.engines(BFLOAT16)
    assert task.choose(named, TRAINED_ON) == BFLOAT16
    assert task.choose(named) == TENSORFLOW


@pytest.mark.parametrize("change", [0.005, 0.2])
def test_bfloat16_is_close_or_for_training_only(
    task, quick, monkeypatch, capsys, change: float
) -> None:
    monkeypatch.setattr(bfloat16, "is_supported", lambda: True)
    # Longer features have the same neighbours.
    right = bfloat16.engine

    def engine(model):
        compute = right(model)
        return lambda images: compute(images) * np.float32(1 + change)

    monkeypatch.setattr(bfloat16, "engine", engine)
    is_close = change < CLOSE
    assert task.choose(task.engines(), CLOSE) == (BFLOAT16 if is_close else LITERT)
    said = capsys.readouterr().err
    assert ("features change by at most 0." in said) == is_close
    assert ("in a trial on 24 pictures" in " ".join(said.split())) == is_close
    named = task.engines(BFLOAT16)
    assert named.is_close == is_close
    # Whether there is anything to compute or not.
    for task.count in (1000, 0):
        name = task.choose(task.engines(BFLOAT16), CLOSE)
        assert name == (BFLOAT16 if is_close else TENSORFLOW)
    for file in task.folder.glob("*.json"):
        file.unlink()
    name = task.choose(task.engines(BFLOAT16), CLOSE)
    assert name == (BFLOAT16 if is_close else TENSORFLOW)
    assert ("give --train.reference false" in capsys.readouterr().err) != is_close
    assert task.choose(task.engines(BFLOAT16), TRAINED_ON) == BFLOAT16


def test_who_left_the_choice_open_is_told_how_to_have_bfloat16(
    task, quick, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(bfloat16, "is_supported", lambda: True)
    assert task.choose(task.engines(), CLOSE) == BFLOAT16
    right = bfloat16.engine

    def engine(model):
        compute = right(model)
        return lambda images: compute(images) * np.float32(1.2)

    # On other pictures it may change more.
    monkeypatch.setattr(bfloat16, "engine", engine)
    capsys.readouterr()
    assert task.choose(task.engines(), CLOSE) == TENSORFLOW
    said = " ".join(capsys.readouterr().err.split())
    assert "give --train.engine bfloat16 --train.reference false" in said


def test_what_was_tried_for_float32_is_not_tried_again_for_bfloat16(
    task, quick, monkeypatch
) -> None:
    monkeypatch.setattr(bfloat16, "is_supported", lambda: True)
    quick[LITERT] = 3.0
    assert task.choose(task.engines()) == LITERT
    monkeypatch.setattr(litert.Traced, "convert", lambda _: 1 / 0)
    assert task.choose(task.engines(), TRAINED_ON) == BFLOAT16


def test_without_the_instructions_it_says_float32(task, monkeypatch, capsys) -> None:
    monkeypatch.setattr(bfloat16, "is_supported", lambda: False)
    assert task.choose(task.engines(BFLOAT16), TRAINED_ON) == TENSORFLOW
    said = capsys.readouterr().err
    assert "engine: TensorFlow in float32; this processor has no amx_bf16 or" in said


def test_several_replicas_compute_in_tensorflow(task, quick, capsys) -> None:
    from tfpipeline import distribute
    from tfpipeline.config import DistributeSettings

    two = distribute.choose(DistributeSettings("mirrored", 2))
    assert task.choose(task.engines("auto", two)) == TENSORFLOW
    assert not capsys.readouterr().err
    assert task.choose(task.engines(LITERT, two)) == TENSORFLOW
    assert "litert needs a single process" in capsys.readouterr().err


def test_half_precision_stays_in_tensorflow(pictures, tmp_path, quick) -> None:
    image = keras.Input((16, 16, 3))
    layer = keras.layers.Conv2D(2, 1, dtype="mixed_bfloat16")
    pooled = keras.layers.GlobalAveragePooling2D(dtype="float32")(layer(image))
    task = Task(keras.Model(image, pooled), pictures, tmp_path)
    assert task.choose(task.engines()) == TENSORFLOW and not task.samples


def test_too_few_pictures_and_too_little_memory_are_not_kept(
    task, quick, monkeypatch, pictures
) -> None:
    monkeypatch.setattr(bfloat16, "is_supported", lambda: True)

    def full(_):
        raise MemoryError

    task.pictures = pictures[:8]
    with monkeypatch.context() as patched:
        patched.setattr(litert.Traced, "convert", full)
        assert task.choose(task.engines(), TRAINED_ON) == TENSORFLOW
    (file,) = task.folder.glob("*.json")
    assert json.loads(file.read_text())["failed"] == {}
    task.pictures = pictures
    # Not so clear that one of them were enough.
    quick |= {BFLOAT16: 3.0, LITERT: 3.5}
    assert task.choose(task.engines(), TRAINED_ON) == BFLOAT16
    assert set(json.loads(file.read_text())["milliseconds"]) >= {LITERT, BFLOAT16}


def test_ctrl_c_in_a_trial_is_heard(task, quick, monkeypatch) -> None:
    def interrupt(*_) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(trial, "check", interrupt)
    with pytest.raises(KeyboardInterrupt):
        task.choose(task.engines())
