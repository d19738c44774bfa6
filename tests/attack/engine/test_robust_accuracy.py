"""Robust accuracy: of a linear network it is known, on any number of replicas."""

import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.attack.engine import robust_accuracy
from tfpipeline.attack.engine.epsilon import Epsilon
from tfpipeline.config.adversary import AdversarySettings
from tfpipeline.core.errors import UserError
from tfpipeline.report.closing import closing

SLOPE = np.where(np.random.default_rng(0).uniform(size=(4, 4, 3)) < 0.5, -1.0, 1.0)


def answer(image: tf.Tensor) -> tf.Tensor:
    """Return the logits of two classes that a plane parts."""
    score = tf.reduce_sum((image - 0.5) * SLOPE.astype(np.float32), [1, 2, 3])
    return tf.stack([tf.zeros_like(score), score], 1)


def batches(distances: list[float]):
    """Yield images at so many grey levels from the plane, of class 0, with padding."""
    steps = np.asarray(distances)[:, None, None, None]
    image = np.round(127.5 - steps * SLOPE) / 255
    image = image.astype(np.float32)
    for at in range(0, len(image), 3):
        some = image[at : at + 3]
        pad = 3 - len(some)
        yield (
            np.concatenate([some, np.ones((pad, *some.shape[1:]), np.float32)]),
            np.zeros(3, np.int32),
            np.array([1.0] * len(some) + [0.0] * pad, np.float32),
        )


def test_accuracy_falls_where_the_plane_is_reached(strategy) -> None:
    outcome = robust_accuracy.measure(
        answer,
        batches([0.5, 1.5, 1.5, 3.5, 6.5, -2.5, 9.5]),
        AdversarySettings(attack="apgd_dlr", steps=20),
        [Epsilon(steps / 255) for steps in (1, 2, 4)],
        strategy,
    )
    assert outcome["n"] == 7
    # One is wrong as it is; the others are, once epsilon is as far as the plane.
    assert list(outcome["accuracy"]) == ["1/255", "2/255", "4/255"]
    assert list(outcome["accuracy"].values()) == pytest.approx([5 / 7, 3 / 7, 2 / 7])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fmn", "expected an attack with a radius"),
        ("nothing", "Unknown --adversary.attack"),
    ],
)
def test_what_means_nothing_is_refused(name: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        robust_accuracy.check(AdversarySettings(name), "--robust")


def told(network, attack: str = "apgd") -> dict:
    """Return what is told of a network that wins no logits where it is attacked."""
    return robust_accuracy.measure(
        network,
        batches([0.5, 3.5, 6.5]),
        AdversarySettings(attack=attack, steps=20),
        [Epsilon(1 / 255)],
        tf.distribute.get_strategy(),
    )


def failed(outcome: dict) -> set[str]:
    return {name for name, check in outcome["checks"].items() if not check["passed"]}


def words(outcome: dict) -> str:
    """Return what `evaluate` says of it."""
    result = {"accuracy": 1.0, "loss": 0.1, "n": 3, "source": "s", "split": "all"}
    result |= {"classes": {}, "seen_in_training": 0, "robust": outcome}
    result |= {"missing_classes": [], "quarantined": 0}
    return str(closing("evaluate", result=result, calibration={}, worst=None))


def test_an_open_network_passes_what_is_looked_at_before_an_attack() -> None:
    outcome = told(answer)
    assert not failed(outcome) and len(outcome["checks"]) == 4
    assert outcome["attacks"] == "apgd up cross_entropy, 20 steps"
    assert "Careful" not in words(outcome)


@pytest.mark.parametrize(
    ("network", "name"),
    [
        (lambda x: answer(tf.round(16 * x) / 16), "gradients_not_zero"),
        (lambda x: 1e4 * answer(x), "logits_not_saturated"),
        (lambda x: answer(x) + tf.random.normal([]), "deterministic"),
        (lambda x: tf.nn.softmax(answer(x)), "logits"),
        (lambda x: answer(x) * np.nan, "logits"),
    ],
)
def test_what_hides_from_an_attack_is_told_in_words(network, name: str) -> None:
    outcome = told(network)
    assert name in failed(outcome)
    assert f"Careful: {name}: " in words(outcome)


def test_a_network_is_looked_at_once_before_it_is_attacked(monkeypatch) -> None:
    done: list[str] = []

    def noted(owner, name: str) -> None:
        real = getattr(owner, name)

        def note(*given, **more):
            done.append(name)
            return real(*given, **more)

        monkeypatch.setattr(owner, name, note)

    noted(robust_accuracy, "inspect")
    noted(robust_accuracy.Campaign, "run")
    monkeypatch.setattr(robust_accuracy, "_CHUNK", 3)
    told(answer)
    assert done == ["inspect", "run"]
