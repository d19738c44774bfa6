"""What a trial has looked at is not read a second time, and nothing is mixed up."""

import itertools

import numpy as np
import pytest

from tfpipeline.models.engines.pictures import Pictures

BATCH = 4


class Source:
    """Images that show their position, in batches that are padded at the end."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def feed(self, order):
        for start in range(0, len(order), BATCH):
            places = np.asarray(order[start : start + BATCH])
            self.read.extend(places.tolist())
            padded = np.resize(places, BATCH)
            images = np.broadcast_to(padded[:, None, None, None], (BATCH, 2, 2, 3))
            weights = (np.arange(BATCH) < len(places)).astype(np.float32)
            yield images.astype(np.float32), padded, weights


def shown(batches) -> list[int]:
    """Return the positions of the images that some batches show."""
    found: list[int] = []
    for images, _, weights in batches:
        assert len(images) == len(weights)
        found.extend(np.asarray(images)[np.asarray(weights) > 0, 0, 0, 0].astype(int))
    return found


@pytest.fixture
def source() -> Source:
    return Source()


def test_images_of_a_trial_are_handed_on_and_read_once(source) -> None:
    order = np.array([7, 2, 5, 0, 9, 4, 1, 8, 3, 6])
    pictures = Pictures(source.feed, lambda: order)
    assert pictures.first(6)[:, 0, 0, 0].tolist() == order[:6].tolist()
    # Looked at again they are the same.
    assert pictures.first(3)[:, 0, 0, 0].tolist() == order[:3].tolist()
    assert shown(pictures(order)) == order.tolist() == source.read
    # Once handed on they are read anew.
    assert shown(pictures(order)) == order.tolist() == source.read[10:]


def test_without_a_trial_it_is_the_feed(source) -> None:
    def fail() -> np.ndarray:
        raise AssertionError("nobody has looked at the first images")

    pictures = Pictures(source.feed, fail)
    assert shown(pictures(np.array([3, 1, 2]))) == [3, 1, 2] == source.read
    assert shown(pictures(np.array([], int))) == []


@pytest.mark.parametrize("seed", range(20))
def test_parts_in_any_order_are_what_the_feed_gives(seed: int) -> None:
    chance = np.random.default_rng(seed)
    source = Source()
    order = chance.permutation(chance.integers(1, 40))
    pictures = Pictures(source.feed, lambda: order)
    for _ in range(6):
        if chance.random() < 0.5:
            count = int(chance.integers(1, 12))
            images = pictures.first(count)
            assert 1 <= len(images) <= count
        part = order[chance.random(len(order)) < chance.choice([0.3, 0.9])]
        if chance.random() < 0.2:
            part = chance.permutation(part)
        batches = pictures(part)
        if chance.random() < 0.3:
            # Whoever stops halfway loses nothing.
            list(itertools.islice(batches, 1))
            continue
        assert shown(batches) == part.tolist()


def test_two_parts_after_each_other_read_each_image_once(source) -> None:
    order = np.arange(18)[::-1]
    pictures = Pictures(source.feed, lambda: order)
    pictures.first(5)
    # Those of a trial are known already.
    assert shown(pictures(order[5:11])) == order[5:11].tolist()
    assert shown(pictures(order[11:])) == order[11:].tolist()
    assert source.read == order.tolist()


def test_images_between_are_not_read_where_few_are_wanted(source) -> None:
    pictures = Pictures(source.feed, lambda: np.arange(100))
    pictures.first(6)
    before = len(source.read)
    assert shown(pictures(np.array([3, 50, 99]))) == [3, 50, 99]
    assert source.read[before:] == [3, 50, 99]


def test_what_was_read_is_let_go(source) -> None:
    open_feeds = []

    def feed(order):
        open_feeds.append(len(order))
        try:
            yield from source.feed(order)
        finally:
            open_feeds.remove(len(order))

    for order in (np.arange(20), np.array([5, 2]), np.arange(8, 20)):
        pictures = Pictures(feed, lambda: np.arange(20))
        pictures.first(8)
        assert open_feeds == [20]
        assert shown(pictures(order)) == order.tolist()
        assert not open_feeds and not pictures._held


def test_an_error_of_the_feed_reaches_who_asks() -> None:
    def feed(order):
        yield np.zeros((4, 2, 2, 3), np.float32), None, np.ones(4)
        raise OSError("the drive has gone")

    pictures = Pictures(feed, lambda: np.arange(8))
    assert len(pictures.first(4)) == 4
    with pytest.raises(OSError, match="drive"):
        list(pictures(np.arange(8)))
    # Asked again it is read anew.
    with pytest.raises(OSError, match="drive"):
        list(pictures(np.arange(8)))
