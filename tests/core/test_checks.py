"""A check has three outcomes, and one that was not asked is none of the others."""

import pytest

from tfpipeline.core.checks import Check, failed, if_asked, outcome, unasked


@pytest.mark.parametrize(
    ("count", "fine", "passed", "words"),
    [
        (3, True, True, "passed"),
        (3, False, False, "failed"),
        (0, True, None, "not asked"),
        (0, False, None, "not asked"),
    ],
)
def test_what_was_asked_about_nothing_neither_passed_nor_failed(
    count: int, fine: bool, passed: bool | None, words: str
) -> None:
    told = {"one": Check(if_asked(count, fine), [], "meaning", "otherwise").told()}
    assert told["one"]["passed"] is passed and told["one"]["outcome"] == words
    assert bool(failed(told)) is (words == "failed")
    assert bool(unasked(told)) is (words == "not asked")
    # What an earlier version wrote says it no less.
    assert outcome({"passed": passed}) == words
