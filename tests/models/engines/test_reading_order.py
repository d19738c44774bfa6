"""The images that a trial looks at are spread over all, and read before the others."""

import numpy as np
import pytest

from tfpipeline.models.engines import reading_order


@pytest.mark.parametrize("batch", [16, 32, 100])
def test_a_trial_has_pictures_of_all_classes_in_their_order(batch: int) -> None:
    label = np.repeat(np.arange(8), 125)
    shown: list[int] = []

    def feed(positions):
        for start in range(0, len(positions), batch):
            rows = positions[start : start + batch]
            shown.extend(rows)
            yield np.zeros((len(rows), 2, 2, 3)), label[rows], np.ones(len(rows))

    keys = [str(i) for i in range(len(label))]
    images = reading_order.sample(keys, feed)()
    assert len(images) == 16 == len(shown) == len(set(shown))
    counts = np.bincount(label[shown], minlength=8)
    assert counts.min() >= 1 and counts.max() - counts.min() <= 2


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 1000])
def test_those_for_a_trial_come_first_and_all_come_once(count: int) -> None:
    order = reading_order.tried_first(count)
    assert sorted(order) == list(range(count))
    few = min(count, 16)
    assert set(order[:few]) == set(reading_order.scattered(count))
    assert (np.diff(order[few:]) > 0).all()


def test_a_part_is_fed_by_its_own_positions() -> None:
    keys, at = ["a", "b", "c", "d"], np.array([2, 0, 3])
    names, feed = reading_order.part(keys, lambda order: [keys[i] for i in order], at)
    assert names == ["c", "a", "d"]
    assert feed(np.array([2, 0])) == ["d", "c"]
