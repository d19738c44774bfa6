"""A number finds its object, and keeps nothing."""

import gc

import pytest

from tfpipeline.core.numbered import Numbered


class Thing:
    """Something that can be kept weakly."""


def test_a_number_finds_what_is_kept_and_nothing_else() -> None:
    numbered = Numbered[Thing]()
    one, other = Thing(), Thing()
    first, second = numbered.add(one), numbered.add(other)
    assert first != second
    assert numbered.of(first) is one and numbered.of(second) is other
    del other
    gc.collect()
    with pytest.raises(ReferenceError):
        numbered.of(second)
    assert numbered.add(Thing()) not in (first, second), "no number comes again"
    assert numbered.of(first) is one
