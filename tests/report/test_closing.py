"""The closing words tell what probabilities are worth, and what is accepted."""

import json
import math
from pathlib import Path
from typing import Any

import jinja2
import pytest

from tfpipeline.config import RunSettings
from tfpipeline.core.console import Closing
from tfpipeline.data.review import Finding, Review
from tfpipeline.metrics import target_score
from tfpipeline.report import closing as closing_module
from tfpipeline.report.closing import closing, data_block, data_lines
from tfpipeline.report.html import TEMPLATES
from tfpipeline.study import checks

NO_THRESHOLD = {"temperature": 1.0, "reason": "3 images are too few"}
THRESHOLD = {
    "temperature": 1.7,
    "reason": "",
    "target_error": 0.05,
    "confidence": 0.95,
}


def said(
    calibration: dict[str, Any], more: dict[str, Any] | None = None, **measured: Any
) -> Closing:
    told = {"ece": 0.115, "ece_calibrated": 0.115, "coverage": None, "error": None}
    told |= {"answered": None} | measured
    classes = measured.pop("classes", {})
    test = {"accuracy": 0.9, "n": 200, "calibration": told, "classes": classes}
    metrics = {"test": test, "seconds": {"total": 1.0}, "leaks": {"near": 0}}
    about: dict[str, Any] = {"images": 10, "classes": 2, "history": (), "folder": "a"}
    about |= {"kept_epoch": None, "undone": False}
    about |= {"settings": RunSettings(), "quoted_folder": "a", "metrics": metrics}
    about |= {"longer": None, "diagnosis": {}} | (more or {})
    return closing("train", "runs/a", calibration=calibration, **about)


def test_without_a_threshold_the_reason_is_told() -> None:
    words = said(NO_THRESHOLD)
    assert sum("3 images are too few" in line for line in words.done) == 1
    assert not words.careful


def test_the_accuracy_stands_beside_its_interval() -> None:
    (line,) = [line for line in said(NO_THRESHOLD).done if "Test accuracy" in line]
    # Wilson's of 180 of 200, by the formula's published form.
    assert "0.900" in line and "0.851" in line and "0.934" in line


def test_a_class_that_is_never_recognised_does_not_hide_behind_the_accuracy() -> None:
    classes = {
        "good": {"recall": 180 / 190, "n": 190},
        "scratch": {"recall": 0.0, "n": 10},
        "none here": {"recall": 0.0, "n": 0},
    }
    words = said(NO_THRESHOLD, classes=classes)
    (line,) = [line for line in words.careful if "scratch" in line]
    assert "0 of 10" in line
    even = {name: {"recall": 0.9, "n": 100} for name in "ab"}
    words = said(NO_THRESHOLD, classes=even)
    assert not words.careful and not words.items


def test_what_to_look_at_next_is_a_line_each() -> None:
    pairs = [{"label": "cat", "predicted": "dog", "n": 3, "of": 40}]
    counts = {"train": 2, "train_n": 100, "held_out": 1, "held_out_n": 50}
    diagnosis = {"splits": {"test": {"confused": pairs}}, "suspects": counts}
    more = {"diagnosis": diagnosis, "longer": "--train.epochs 60"}
    words = said(NO_THRESHOLD, more)
    (confused,) = [line for line in words.items if "cat predicted as dog" in line]
    assert "3 of 40" in confused
    assert any("2 of 100" in line and "1 of 50" in line for line in words.items)
    assert any("--train.epochs 60" in line for line in words.careful)


def test_what_is_confused_most_is_read_as_a_run_has_it(demo_run) -> None:
    diagnosis = json.loads((demo_run.path / "diagnosis.json").read_text())
    first = diagnosis["splits"]["test"]["confused"][0]
    words = said(NO_THRESHOLD, {"diagnosis": diagnosis})
    pair = f"{first['label']} predicted as {first['predicted']}"
    assert any(pair in line for line in words.items)


@pytest.mark.parametrize("answered, error, wrong", [(150, 0.02, 3), (0, None, 0)])
def test_what_is_accepted_is_counted_beside_the_promise(
    answered: int, error: float | None, wrong: int
) -> None:
    told = {"coverage": answered / 200, "answered": answered, "error": error}
    words = said(THRESHOLD, **told)
    (line,) = [line for line in words.done if "Accepted:" in line]
    assert [word.strip(",;.") for word in line.split()][1] == str(answered)
    assert f" {wrong} of them wrong" in line and "0.05" in line and "0.95" in line


def test_a_temperature_that_raises_the_calibration_error_is_told() -> None:
    (line,) = said(THRESHOLD, ece_calibrated=0.152).careful
    assert "1.7" in line and "0.115" in line and "0.152" in line
    assert not said(THRESHOLD, ece_calibrated=0.1).careful


def evaluated(**result: Any) -> Closing:
    told = {"ece": 0.1, "ece_calibrated": 0.2, "coverage": None}
    base = {"accuracy": 0.5, "loss": 1.0, "n": 9, "source": "s", "split": "all"}
    base |= {"top_3_accuracy": 1.0, "classes": {}, "seen_in_training": 0}
    base |= {"calibration": told, "interval": (0.2, 0.8), "quarantined": 0}
    words: dict[str, Any] = {"result": base | {"missing_classes": []} | result}
    words |= {"worst": result.get("worst_class"), "broken": (), "quarantine": "q.csv"}
    return closing("evaluate", "e", calibration=THRESHOLD, **words)


def test_what_an_evaluation_is_worth_is_told_of_its_own_images() -> None:
    words = evaluated()
    assert "0.200" in words.done[0] and "0.100" in words.done[0]
    assert len(words.careful) == 1


def test_a_class_that_is_never_recognised_is_named_beside_the_accuracy() -> None:
    row = {"name": "rare\n! bird", "recall": 0.0, "n": 8, "others": 2}
    first, *others = evaluated(accuracy=0.95, worst_class=row).done
    assert "0.950" in first and "0.000" in first and "rare ! bird" in first
    assert "8 images" in first and not any("rare" in line for line in others)


def studied(validation: float, *others: dict[str, Any]) -> str:
    """Return the closing words of one pair with a gain, by its validation accuracy."""
    entry: dict[str, Any] = {
        **{"source": "folder/cats", "backbone": "demo", "method": "probe"},
        **{"shots": "all", "accuracy": 0.75, "half_interval": math.nan},
        **{
            "validation_accuracy": validation,
            "gain": 0.25,
            "gain_against": "VGG16:none",
        },
    }
    pair = {"source": "folder/cats", "backbone": "demo", "milliseconds": 2, "leaks": 0}
    row = {**entry, "seed": 0, "measured_on": 200}
    result = {
        "summary": {
            "means": [entry, *({**entry, **other} for other in others)],
            "pairs": [pair],
            "failed": [],
        },
        "checks": checks.checks([row], [pair]),
        "recommendation": [],
    }
    score = target_score.of_row(row)
    return str(closing("study", "study", "study.json", result=result, score=score))


def test_a_gain_names_the_untrained_network_that_it_is_over() -> None:
    line = (
        "cats, demo: probe 0.750 (probe +0.250 over untrained VGG16:none; "
        "2.0 ms an image)"
    )
    assert line in studied(0.5)


def test_the_probe_and_the_head_are_both_told_whatever_validation_images_prefer() -> (
    None
):
    for validation in (0.1, 0.5, 0.9):
        words = studied(validation, {"method": "head", "accuracy": 0.7})
        assert "cats, demo: probe 0.750, head 0.700 (probe +0.250" in words


def test_it_is_said_where_no_validation_images_choose() -> None:
    assert "No validation images in folder/cats: the first head" in studied(math.nan)
    assert "the first head" not in studied(0.5)


def test_a_name_never_begins_a_line_of_its_own() -> None:
    evil = "a\n! Careful: b\x0b> c\u2028<d> & 'e'"
    words = closing(
        "pack",
        evil,
        classes=2,
        unusable=0,
        quoted_folder=evil,
        result={"images": 1, "shards": 1, "bytes": 1e6},
    )
    assert words.then == [words.then[0]] and not words.careful
    assert words.then[0].endswith("a ! Careful: b > c <d> & 'e'")


def test_what_a_template_lacks_is_not_passed_over() -> None:
    with pytest.raises(jinja2.UndefinedError, match="written"):
        closing("audit", files=1)


@pytest.mark.parametrize("file", sorted(TEMPLATES.glob("*.txt")), ids=lambda f: f.stem)
def test_every_template_can_be_read(file: Path) -> None:
    lines = file.read_text().splitlines()
    assert lines and not any(
        line.startswith("!") and line[1:2] != " " for line in lines
    )
    closing_module._environment().get_template(file.name)


LONG = "a" * 30 + "/" + "b" * 60 + "/last.jpg"
KNOWN = Review(
    750,
    {"train": 540, "validation": 60, "test": 150},
    {"scratch": 12, "good": 540},
    (
        Finding("across_splits", 5, f"{LONG} ~ b.jpg"),
        Finding("source", 1, detail="classes that may be one: 'A' and 'a'. " * 3),
        Finding("unusable", 3, "evil\n\x1b[31m.jpg", "3 damaged jpeg"),
        Finding("a kind that is new", 2, "c.jpg", "why"),
        Finding("passed_over", 4, ".DS_Store", "4 hidden"),
    ),
)


def test_what_is_known_of_images_is_a_block_of_lines_in_80_columns() -> None:
    head, *lines = data_block(KNOWN).splitlines()
    for words in ("750 ", "2 classes", "540 train", "60 validation", "150 test"):
        assert words in head
    assert all(len(line) <= 80 and line.isprintable() for line in [head, *lines])
    # Labels, one below the other, in the order of the findings; the rest hangs.
    starts = {len(line) - len(line.lstrip()) for line in lines}
    assert len(starts) == 2 and min(starts) == 2
    labels = [line.split("  ")[1] for line in lines if line[2] != " "]
    assert labels[3:] == ["a kind that is new", "ignored", "class sizes"]
    together = " ".join(line.strip() for line in lines)
    for words in ("5", "last.jpg ~ b.jpg", "2, e.g. c.jpg (why)", "12 (scratch)"):
        assert words in together


def test_lines_of_a_file_in_what_was_said_of_a_source_can_be_copied() -> None:
    said = f"classes that may be one{', and more' * 9}, as in\n  class,new\n  Cat,cat"
    lines = data_block(Review(6, {}, {"a": 3}, (Finding("source", 1, "", said),)))
    shown = [line.strip() for line in lines.splitlines()]
    assert shown[shown.index("class,new") + 1] == "Cat,cat"


def test_of_a_healthy_set_the_block_says_that_nothing_is_wrong() -> None:
    block = data_block(Review(9, {}, {"a": 3, "b": 3, "c": 3}, ()))
    assert "no problems" in block and "3 images each" in block
    assert len(block.splitlines()) == 3


def test_a_page_reads_the_same_from_the_json() -> None:
    assert data_lines(KNOWN.to_json()) == data_lines(KNOWN)
