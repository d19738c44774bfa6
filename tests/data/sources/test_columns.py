"""Columns are the sequences that they stand for."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfpipeline.data.sources import columns
from tfpipeline.data.sources.columns import Column, taken

TEXTS = st.lists(st.text(st.characters(exclude_characters="\0"), max_size=8))


@given(TEXTS)
def test_texts_come_back(values: list[str]) -> None:
    values = [os.fsdecode(value.encode("utf-8", "replace")) for value in values]
    column = columns.texts(values)
    assert [*column] == values == [column[i] for i in range(len(column))]


def test_one_long_text_does_not_make_room_in_every_row() -> None:
    parts = [columns.encoded(["a", "b"] * 50), columns.encoded(["c" * 4000])]
    assert isinstance(columns.joined(parts[:1]), Column)
    together = columns.joined(parts)
    assert isinstance(together, list) and together == [*["a", "b"] * 50, "c" * 4000]


def test_columns_are_equal_and_say_so_by_their_values() -> None:
    first, again = (columns.texts(["ab", "cd"]) for _ in range(2))
    assert first == again and repr(first) == repr(again) and first != ["ab", "cd"]
    for other in (["ab", "ce"], ["ab"]):
        assert first != columns.texts(other)
        assert repr(first) != repr(columns.texts(other))


@pytest.mark.parametrize("values", [("a", "b", "c"), columns.texts(["a", "b", "c"])])
def test_columns_are_made_of_others_and_taken_from(values) -> None:
    numbers = np.array([3, 1, 2])
    column = Column(lambda text, number: text * number, values, numbers)
    assert [*column] == ["aaa", "b", "cc"] and len(column) == 3
    for indices in (np.array([2, 0]), np.array([], int)):
        expected = tuple([*column][i] for i in indices)
        assert tuple(taken(column, indices)) == expected
        assert isinstance(taken(column, indices), Column)
        assert taken(tuple(column), indices) == expected
    assert [*column[1:]] == ["b", "cc"] and column[-1] == "cc"
