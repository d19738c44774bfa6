"""Sheets: every picture at its place, every word below it."""

import numpy as np

from tfpipeline.core import contact_sheets


def picture(width: int) -> np.ndarray:
    """Return a picture with a value of its own in every pixel."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (24, width, 3), dtype=np.uint8)


def test_each_image_is_at_its_place() -> None:
    one = picture(contact_sheets.LEAST_WIDTH)
    sheet = contact_sheets.contact_sheet([one, 255 - one, one], ["a", "b", "c"], 2)
    left = contact_sheets.LEAST_WIDTH + 8
    assert np.array_equal(
        sheet[4:28, left : left + contact_sheets.LEAST_WIDTH], 255 - one
    )


def test_small_pictures_are_enlarged_in_whole_pixels() -> None:
    one = picture(40)
    sheet = contact_sheets.contact_sheet([one], ["a"], 1)
    assert np.array_equal(sheet[4 : 4 + 72 : 3, 4 : 4 + 120 : 3], one)


def test_a_long_caption_goes_on_in_the_next_line() -> None:
    one = picture(contact_sheets.LEAST_WIDTH)
    short = contact_sheets.contact_sheet([one], ["zebra"], 1)
    long = contact_sheets.contact_sheet(
        [one], ["zebra, which did not rise at all, 0.994"], 1
    )
    assert len(long) > len(short)
    # The end of the words is there: below the first line something is black.
    assert (long[-15:].min(axis=-1) < 128).any()


def test_letters_of_other_alphabets_are_drawn() -> None:
    one = np.full((24, contact_sheets.LEAST_WIDTH, 3), 255, np.uint8)
    drawn = [
        contact_sheets.contact_sheet([one], [word], 1) for word in ("\u00fc", "\u0416")
    ]
    assert not np.array_equal(*drawn)
