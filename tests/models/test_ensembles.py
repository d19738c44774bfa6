"""Several classifiers in one answer as the mean of them does."""

from pathlib import Path

import numpy as np
import pytest

from tests.models.test_classifier import IMAGES, build
from tfpipeline.metrics import classification, multi_label
from tfpipeline.models import classifier, ensembles, saving


def moved(model, scale: float, *, head_only: bool):
    """Return a model whose weights have been changed at random."""
    part = classifier.split_classifier(model)[1] if head_only else model
    rng = np.random.default_rng(int(scale * 100))
    part.set_weights([w + scale * rng.random(w.shape) for w in part.get_weights()])
    return model


@pytest.mark.parametrize("head_only", [True, False])
def test_an_ensemble_has_the_mean_of_the_probabilities(
    tmp_path: Path, head_only: bool
) -> None:
    base = build()
    models = []
    for scale in (0.1, 0.3, 0.2):
        model = build()
        model.set_weights(base.get_weights())
        models.append(moved(model, scale, head_only=head_only))
    temperatures = [1.0, 2.0, 0.5]
    expected = np.mean(
        [
            classification.probabilities(np.asarray(model(IMAGES)) / t)
            for model, t in zip(models, temperatures)
        ],
        axis=0,
    )
    found = ensembles.ensemble(models, temperatures)
    np.testing.assert_allclose(np.exp(found(IMAGES)), expected, atol=1e-6)
    backbones = 1 if head_only else 3
    width = classifier.split_classifier(models[0])[0].output_shape[-1]
    extractor, head = classifier.split_classifier(found)
    assert extractor.output_shape[-1] == backbones * width
    saving.save_classifier(tmp_path / "m.keras", found, ["a", "b", "c"])
    again, _ = saving.load_classifier(tmp_path / "m.keras")
    np.testing.assert_allclose(np.exp(again(IMAGES)), expected, atol=1e-6)
    extractor, head = classifier.split_classifier(again)
    np.testing.assert_allclose(np.exp(head(extractor(IMAGES))), expected, atol=1e-6)


def test_an_ensemble_loses_no_more_than_its_members_do_in_the_mean() -> None:
    """Jensen's inequality: the logarithm is concave."""
    rng = np.random.default_rng(0)
    models = [moved(build(), 0.2 + 0.1 * n, head_only=True) for n in range(3)]
    found = ensembles.ensemble(models, [1.0, 1.0, 1.0])
    logits = [np.asarray(model(IMAGES)) for model in models]
    for _ in range(20):
        label = rng.integers(0, 3, len(IMAGES))
        losses = [
            classification.loss_and_accuracy(one, label)["loss"] for one in logits
        ]
        own = classification.loss_and_accuracy(np.asarray(found(IMAGES)), label)["loss"]
        assert own <= np.mean(losses) + 1e-6


def test_equal_models_are_what_they_were() -> None:
    model = moved(build(), 0.3, head_only=True)
    expected = np.asarray(model(IMAGES))
    weights = model.get_weights()
    found = ensembles.ensemble([model], [1.0])
    both = classification.probabilities(np.asarray(found(IMAGES)))
    np.testing.assert_allclose(both, classification.probabilities(expected), atol=1e-6)
    other = build()
    ensembles.soup(other, [weights, weights])
    np.testing.assert_allclose(other(IMAGES), expected, atol=1e-5)


def test_a_soup_of_heads_answers_the_mean_of_the_logits() -> None:
    base = build()
    models = []
    for scale in (0.1, 0.4):
        models.append(build())
        models[-1].set_weights(base.get_weights())
        moved(models[-1], scale, head_only=True)
    expected = np.mean([np.asarray(model(IMAGES)) for model in models], axis=0)
    ensembles.soup(base, [model.get_weights() for model in models])
    np.testing.assert_allclose(base(IMAGES), expected, atol=1e-5)


@pytest.mark.parametrize("target", ["multi", "number"])
def test_of_labels_each_probability_is_a_mean_and_so_is_a_number(
    tmp_path: Path, target: str
) -> None:
    models = [moved(build(), scale, head_only=True) for scale in (0.1, 0.4, 0.3)]
    temperatures = [1.0, 2.0, 0.5]
    outputs = [np.asarray(model(IMAGES)) for model in models]

    def answer(logits: np.ndarray) -> np.ndarray:
        return logits if target == "number" else multi_label.probabilities(logits)

    if target == "number":
        temperatures = [1.0] * 3
    cooled = [rows / t for rows, t in zip(outputs, temperatures)]
    expected = np.mean([answer(rows) for rows in cooled], axis=0)
    found = ensembles.ensemble(models, temperatures, target)
    saving.save_classifier(tmp_path / "m.keras", found, ["a", "b", "c"])
    again, _ = saving.load_classifier(tmp_path / "m.keras")
    for model in (found, again):
        np.testing.assert_allclose(
            answer(np.asarray(model(IMAGES))), expected, rtol=1e-5
        )
