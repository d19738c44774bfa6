"""What pairs of runs come to: a difference is told only where one is shown."""

from typing import Any

from tfpipeline.report import pairs

WHOLE = {"measured": True, "complete": True, "same_images": True}


def rows(*p: float) -> list[dict[str, Any]]:
    own: list[dict[str, Any]] = [{"name": "first", "against": None}]
    own += [{"name": f"r{i}", "against": {"p": value}} for i, value in enumerate(p)]
    pairs.judge(own)
    return own


def test_p_is_corrected_for_all_pairs_and_shown_below_the_level() -> None:
    one, two = (row["against"] for row in rows(0.03, 0.04)[1:])
    assert one["p_holm"] == two["p_holm"] == 0.06 and not one["shown"]
    assert rows(0.03)[1]["against"]["shown"]


def test_a_headline_names_a_difference_only_where_there_is_one() -> None:
    assert pairs.without_difference(rows(0.001), **WHOLE) is None
    for given in (rows(0.4), rows(0.4, 0.5)):
        words = pairs.without_difference(given, **WHOLE)
        assert words is not None and "first" in words
    apart = pairs.without_difference(rows(0.001), **{**WHOLE, "same_images": False})
    assert apart is not None and "no ranking" in apart


def test_how_many_differ_is_said_of_several_alone() -> None:
    assert pairs.how_many(1, 1) == ""
    assert "2 of 3" in pairs.how_many(2, 3)
