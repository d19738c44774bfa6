"""The best head is chosen by some images, and believed on others."""

import numpy as np

from tfpipeline.study.heads import choice
from tfpipeline.study.heads.choice import Answers


def guesses(seed: int, count: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Return logits of 8 heads that all guess, and classes."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(8, count, 3)).astype(np.float32), np.arange(count) % 3


def test_a_head_is_no_better_than_it_is_on_images_that_did_not_choose_it() -> None:
    chosen, crossed = [], []
    for seed in range(300):
        logits, label = guesses(seed)
        answers = Answers.of(logits, label)
        best = logits[choice.best(answers, label)].argmax(1)
        crossing = choice.cross_fitted(answers, label)
        for found, one in ((chosen, best), (crossed, crossing)):
            found.append((one == label).mean())
    error = np.std(crossed) / np.sqrt(len(crossed))
    assert np.mean(chosen) > 1 / 3 + 0.1, "the images that chose it flatter it"
    assert abs(np.mean(crossed) - 1 / 3) < 3.5 * error


def test_each_half_is_answered_by_the_head_that_the_other_half_chooses() -> None:
    logits, _ = guesses(0, 9)
    label = np.array([0, 0, 1, 1, 1, 2, 2, 0, 2])
    half = np.array([0, 1, 1, 0, 1, 0, 1, 0, 0])  # In turn, class after class.
    answers, numbers = choice.cross_fitted(Answers.of(logits, label), label), set()
    for part in (0, 1):
        other = half != part
        own = Answers.of(logits[:, other], label[other])
        number = choice.best(own, label[other])
        np.testing.assert_array_equal(
            answers[half == part], logits[number][half == part].argmax(1)
        )
        numbers.add(number)
    assert len(numbers) == 2, "so that it is seen which half chose"


def test_where_nothing_chooses_the_first_head_answers() -> None:
    logits, label = guesses(0, 1)
    none = Answers.of(logits[:, :0], label[:0]), label[:0]
    assert choice.best(*none) == 0
    assert choice.cross_fitted(*none).shape == (0,)
    answers = choice.cross_fitted(Answers.of(logits, label), label)
    np.testing.assert_array_equal(answers, logits[0].argmax(1))
