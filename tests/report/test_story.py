"""The headline of a page says what was found, in the unit that was asked for."""

import json

import pytest

from tfpipeline.report import story

FOOLED = {
    **{"clean_class": "dog", "clean_probability": 0.9, "final_class": "cat"},
    **{"final_probability": 0.75, "success_8bit": True, "epsilon": 2 / 255},
    **{"norm": "linf", "linf": 2 / 255, "target": None, "steps": 3, "least": None},
}
WITHSTOOD = {**FOOLED, "final_class": "dog", "success_8bit": False}


def attack(items: list, **summary):
    rates = summary.pop("jpeg", {"95": 0.5, "75": 0.0, "50": 0.0})
    result = {"images": items, "summary": {"success_rate_jpeg": rates, **summary}}
    return story.tell("attack.json", json.loads(json.dumps(result)), items)


@pytest.mark.parametrize(
    ("size", "norm", "words"),
    [
        (2 / 255, "linf", "2/255"),
        (0.5 / 255, "linf", "0.5/255"),
        (1.5, "l2", "1.5 in l2"),
    ],
)
def test_a_radius_has_the_unit_that_it_was_asked_in(size, norm, words) -> None:
    assert story.radius(size, norm) == words


def test_an_attack_says_how_many_it_fooled_at_which_size_and_what_survives() -> None:
    told = attack([FOOLED, FOOLED, WITHSTOOD])
    assert "2 of 3" in told.headline and "2/255" in told.headline
    assert "nothing survives JPEG 75" in told.headline
    assert [figure.value for figure in told.figures][0] == "2 of 3"
    assert told.caption is not None
    assert "dog" in told.caption(FOOLED) and "cat" in told.caption(FOOLED)
    assert "not fooled" in told.caption(WITHSTOOD)
    assert "not fooled" not in told.caption(FOOLED)


def test_what_survives_even_the_worst_jpeg_is_a_share() -> None:
    told = attack([FOOLED], jpeg={"95": 1.0, "50": 0.25})
    assert told.headline.endswith("survive JPEG 50") and "25" in told.headline


def test_an_attack_that_fools_nobody_says_nothing_of_jpeg() -> None:
    told = attack([WITHSTOOD])
    assert "0 of 1" in told.headline and "JPEG" not in told.headline


def test_a_target_is_named() -> None:
    told = attack([{**FOOLED, "target": "cat"}], median_least=1 / 255)
    assert "'cat'" in told.headline
    assert "1/255" in [figure.value for figure in told.figures]


def test_ideal_images_are_judged_by_a_network_that_took_no_part() -> None:
    items = [{"class": "zebra", "probability": 0.99, "judges": {}}] * 4
    votes = {"took_no_part": True, "top_1": 3, "top_5": 4, "known": 4}
    own = {**votes, "took_no_part": False, "top_1": 4}
    summary = {"network": "A", "recognised": 4, "least_probability": 0.9}
    alone = story.tell("synthesis.json", {"summary": summary}, items)
    assert alone.headline.startswith("A recognises 4 of 4")
    summary["judges"] = {"A twin": own, "B": votes}
    judged = story.tell("synthesis.json", {"summary": summary}, items)
    assert judged.headline.startswith("B, which took no part, recognises 3 of 4")
    assert len(judged.figures) <= 3


def test_a_study_reports_the_method_that_validation_images_chose() -> None:
    row = {"source": "s/pets", "backbone": "A", "shots": "all", "half_interval": 0.01}
    means = [
        {**row, "method": "probe", "accuracy": 0.99},
        {**row, "method": "head", "accuracy": 0.95},
    ]
    advice = {"source": "s/pets", "backbone": "A", "method": "head"}
    result = {"summary": {"means": means}, "recommendation": [advice]}
    told = story.tell("study.json", result, means)
    assert told.headline == "For pets, take A: accuracy 0.950 ± 0.010"
    named = [{"r2" if k == "accuracy" else k: v for k, v in m.items()} for m in means]
    told = story.tell("study.json", {**result, "summary": {"means": named}}, named)
    assert told.headline == "For pets, take A: R2 0.950 ± 0.010"
    assert told.figures[0].name == "R2"
    unsure = {"summary": {"means": means}, "recommendation": []}
    assert not story.tell("study.json", unsure, means).headline


@pytest.mark.parametrize("name", ["attack.json", "synthesis.json", "features.json"])
def test_what_a_result_lacks_is_passed_over(name: str) -> None:
    told = story.tell(name, {"images": [{}]}, [{}])
    assert len(told.figures) <= 3
    assert told.caption is not None and told.caption({})
    assert story.tell(name, {}, []) == story.Story()
