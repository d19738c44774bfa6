"""The page of several labels and of a number: its figures, words and looks."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.report import looks
from tests.report.browser import browsing
from tfpipeline.metrics import decision, target_metrics
from tfpipeline.metrics.targets import folds
from tfpipeline.report import html, target_page

EVIL = '<img>"&|$x$'


def several(n: int = 130, classes: int = 7) -> dict[str, Any]:
    """Return what the page of several labels is given; one class is in no image."""
    rng = np.random.default_rng(0)
    values = (rng.random((n, classes)) < np.linspace(0.5, 0.1, classes)).astype(float)
    values[:, -1] = 0
    logits = rng.normal(size=(n, classes)) + 2 * values - 1
    labels = [EVIL, *(f"class_{k}" for k in range(1, classes))]
    held = logits, values, None
    chosen = decision.for_several(labels, ("f1", 0.9), "validation", held, 1.25)
    return given(chosen, logits, values)


def number(n: int = 130) -> dict[str, Any]:
    """Return what the page of a number is given."""
    rng = np.random.default_rng(1)
    true = rng.integers(0, 10, (n, 1)).astype(float)
    outputs = 0.8 * true + 1 + rng.normal(size=(n, 1))
    band = {"half_width": 1.75, "coverage": 0.85, "n": 57, "split": "validation"}
    return given(decision.Decision("number", (EVIL,), mean=4.5, **band), outputs, true)


def given(chosen: decision.Decision, outputs, values) -> dict[str, Any]:
    result = target_metrics.measure(chosen, outputs, values)
    shown = target_metrics.shown(chosen, outputs, values)
    watched = {"multi": "label_accuracy", "number": "mae"}[chosen.target]
    history = [
        {"stage": "head", "loss": 1 / k, watched: k / 9, f"val_{watched}": k / 10}
        for k in range(1, 6)
    ]
    asked = ("f1", 0.9) if chosen.target == "multi" else None
    group = [str(i) for i in range(len(values))]
    own = (outputs, values), np.arange(len(values)) % 3 + 1, group, None, asked
    suspect = {"id": EVIL, "split": "train", "label": EVIL, "predicted": "7"}
    suspect |= {"add": [EVIL], "remove": ["class_1"], "error": 2.0, "inside": {}}
    return {
        **target_page.content(result, shown, chosen.to_json()),
        "folds": folds.summarize(chosen.labels, *own),
        "suspects": {"held_out": 2, "held_out_n": 31, "train": 5, "train_n": 99},
        "suspected": [suspect],
        "cleaning": "runs/one/cleaning.csv",
        **{"name": "run_name", "kicker": "Training run", "lead": "Of pictures."},
        **{"split": "test", "careful": "", "thresholds": chosen.words},
        "curves": target_page.curves(history, 4, chosen.target),
        "known": ("130 images", [("labels", "2 an image")]),
        "broken": [("a.png", "cut short")],
        "how": {"command": "tfpipeline train x.csv", "versions": {"numpy": "2"}},
        "facts": [("seconds", "7.0")],
        "config_text": "seed: 0",
    }


@pytest.mark.parametrize("content", [several, number])
def test_the_page_is_whole_and_escapes_names(content) -> None:
    page = html.render("target.html", **content())
    assert "<img>" not in page and "&lt;img&gt;" in page
    sections = re.findall(r'<section id="(\w+)"', page)
    linked = re.findall(r'<a href="#(\w+)"', page)
    assert linked == sections and len(set(sections)) == len(sections)


def test_several_labels_have_their_figures_and_the_worst_class_first() -> None:
    content = several()
    page, result = html.render("target.html", **content), content["result"]
    assert f"{result['mean_average_precision']:.3f}" in page
    rows = re.findall(r'<tr><td>(.*?)</td><td class="n" data-v="(\d+)"', page)
    precise = [row["average_precision"] for row in content["classes"]]
    assert precise[:-1] == sorted(precise[:-1]) and precise[-1] is None
    assert len(rows) == 7 and "no positive image" in rows[-1][0] and rows[-1][1] == "0"
    assert [int(n) for _, n in rows] == [row["n"] for row in content["classes"]]
    assert len(content["charts"]) == 2 and len(content["curves"]) == 2
    # Without the temperature, and with it.
    assert len(content["reliability"]) == 2 and "temperature 1.250" in page
    for key in ("ece", "ece_calibrated"):
        assert html.percent(result["calibration"][key], 2) in page


def test_folds_and_suspects_are_those_of_the_target() -> None:
    for content, own in ((several(), "macro_f1"), (number(), "rmse")):
        page, told = html.render("target.html", **content), content["folds"]
        low, high = told["intervals"][own]
        for value in (told[own], low, high, *(row[own] for row in told["scores"])):
            assert html.number(value) in page
        assert "of its own" not in page and told["method"] in page
        assert "Of 99" in page.replace(html.number(99), "99") and "cleaning.csv" in page
    one = several()
    page = html.render("target.html", **(one | {"folds": None, "suspects": None}))
    assert 'id="labels"' not in page and "<h3>Folds" not in page


def test_an_interval_says_what_it_promises_or_why_there_is_none() -> None:
    content = number()
    page = html.render("target.html", **content)
    assert "± 1.750" in page and "57 validation images" in page
    assert html.percent(content["result"]["band"]["covered"]) in page
    assert "at least 85.0" in page
    folded = content["decision"] | {"split": "out-of-fold"}
    page = html.render("target.html", **(content | {"decision": folded}))
    assert "not guaranteed" in page and "at least 85.0" not in page
    without = folded | {"half_width": None, "reason": "there are too few"}
    page = html.render("target.html", **(content | {"decision": without}))
    assert "have no interval: there are too few" in page


def test_a_number_has_its_errors_beside_those_of_the_mean() -> None:
    content = number()
    page, result = html.render("target.html", **content), content["result"]
    low, high = result["intervals"]["mae"]
    for value in (result["mae"], low, high, result["baseline"]["mae"], result["r2"]):
        assert f"{value:.3f}" in page
    assert len(content["charts"]) == 2 and not content["classes"]


@pytest.mark.parametrize("loss", [None, [0.5, 0.6]])
def test_a_temperature_is_said_to_be_tried_where_it_was(loss) -> None:
    content = several()
    content["decision"] = content["decision"] | {"temperature": 1}
    content["tried"] = target_page.tried({"held_out": {"loss": loss}})
    page = html.render("target.html", **content)
    assert ("No temperature lowers" in page) == (loss is not None)
    assert ("No temperature was tried" in page) == (loss is None)
    assert not target_page.tried({}) and not target_page.tried({"held_out": None})


@pytest.mark.parametrize("target", ["multi", "number"])
def test_what_was_not_measured_is_said(target: str) -> None:
    labels = ["a", "b"] if target == "multi" else ["age"]
    content = {**(several() if target == "multi" else number())}
    content |= target_page.content(None, None, {"target": target, "labels": labels})
    page = html.render("target.html", **content)
    assert "not measured" in page and "neither test nor validation" in page


def test_a_run_of_an_earlier_version_has_the_charts_that_it_can_have() -> None:
    shown = {"points": [[1.0, 2.0], [3.0, 2.5]]}
    content = target_page.content(
        number()["result"], shown, {"target": "number", "labels": ["age"]}
    )
    assert len(content["charts"]) == 1


@pytest.mark.slow
def test_nothing_on_it_is_cut_small_or_faint(tmp_path: Path) -> None:
    files = []
    for content in (several, number):
        files.append(tmp_path / f"{content.__name__}.html")
        html.write(files[-1], "target.html", **content())
    with browsing(tmp_path / "profile") as browser:
        for file in files:
            for width in (1200, 400):
                for scheme in ("light", "dark"):
                    assert not looks.objections(browser, file, width, scheme)
        assert not browser.complaints


def test_curves_are_those_of_the_target() -> None:
    rows = [
        {"epoch": i, "loss": 1 / i, "label_accuracy": 0.5, "val_mAP": 0.1 * i}
        for i in range(1, 5)
    ]
    assert len(target_page.curves(rows, 4, "multi")) == 3
    assert len(target_page.curves([{"loss": 1.0, "mae": 2.0}], None, "number")) == 2
