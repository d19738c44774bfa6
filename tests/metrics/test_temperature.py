"""Temperatures against closed forms; kept only where held-out images agree."""

import numpy as np
import pytest

from tfpipeline.metrics import classification, temperature


def drawn(
    scale: float, n: int = 4000, classes: int = 3, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return logits that are too sure by a factor, and labels drawn as they should."""
    random = np.random.default_rng(seed)
    honest = random.normal(size=(n, classes)) * 2
    chance = classification.probabilities(honest)
    label = (random.random((n, 1)) > np.cumsum(chance, axis=1)).sum(axis=1)
    return honest * scale, np.minimum(label, classes - 1)


@pytest.mark.parametrize("scale", [0.25, 1.0, 5.0])
def test_the_temperature_undoes_what_logits_were_multiplied_by(scale: float) -> None:
    found = temperature.fit(*drawn(scale))
    assert found == pytest.approx(scale * temperature.fit(*drawn(1.0)), rel=1e-6)
    assert found == pytest.approx(scale, rel=0.08)


def test_no_other_temperature_has_a_lower_cross_entropy() -> None:
    logits, label = drawn(3.0, n=60)
    best = temperature.fit(logits, label)
    least = temperature.cross_entropy(logits / best, label)
    for other in np.geomspace(1 / 16, 16, 200):
        assert temperature.cross_entropy(logits / other, label) >= least - 1e-12


def test_images_that_are_all_right_make_nothing_surer() -> None:
    logits = np.array([[3.0, 0.0], [0.0, 2.0]])
    assert temperature.fit(logits, np.array([0, 1])) == 1.0


def test_images_that_are_all_wrong_make_it_as_unsure_as_can_be() -> None:
    logits = np.array([[3.0, 0.0], [0.0, 2.0]])
    assert temperature.fit(logits, np.array([1, 0])) == 16.0


@pytest.mark.parametrize("scale", [0.25, 5.0])
def test_a_temperature_is_kept_where_images_that_did_not_choose_it_agree(
    scale: float,
) -> None:
    found = temperature.held_out(*drawn(scale, n=500))
    assert found.kept and found.loss is not None and found.standard_error is not None
    assert found.loss[1] + found.standard_error < found.loss[0]
    assert found.temperature == temperature.fit(*drawn(scale, n=500))


def test_probabilities_that_can_be_believed_are_seldom_changed() -> None:
    found = [temperature.held_out(*drawn(1.0, n=60, seed=k)) for k in range(60)]
    # One standard error: 16 % by chance alone, were the folds independent.
    assert np.mean([one.kept for one in found]) <= 0.25
    assert all(one.temperature != 1 for one in found)


@pytest.mark.parametrize("n", [1, 2, 9])
def test_too_few_images_change_nothing(n: int) -> None:
    logits, label = drawn(5.0, n=n)
    found = temperature.held_out(logits, label)
    assert not found.kept and found.loss is None


@pytest.mark.parametrize("n", [10, 11, 64])
def test_one_class_and_equal_logits_change_nothing(n: int) -> None:
    for logits in (np.zeros((n, 1)), np.zeros((n, 4))):
        assert not temperature.held_out(logits, np.zeros(n, int)).kept


def test_the_loss_of_each_fold_is_with_the_temperature_of_the_others() -> None:
    logits, label = drawn(3.0, n=23)
    losses = []
    for fold in range(temperature.FOLDS):
        own = np.arange(23) % temperature.FOLDS == fold
        other = temperature.fit(logits[~own], label[~own])
        for one in np.flatnonzero(own):
            row = logits[one : one + 1] / other
            losses.append(temperature.cross_entropy(row, label[one : one + 1]))
    found = temperature.held_out(logits, label)
    assert found.loss is not None and found.loss[1] == pytest.approx(np.mean(losses))


def test_of_very_many_images_some_are_enough(monkeypatch) -> None:
    monkeypatch.setattr(temperature, "_MOST_FOLDED", 500)
    logits, label = drawn(3.0, n=4000)
    found = temperature.held_out(logits, label)
    some = temperature.held_out(logits[::8], label[::8])
    assert found.kept and found.loss == some.loss
    assert found.temperature == temperature.fit(logits, label)
