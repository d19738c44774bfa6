"""Every page in a real browser: on a phone and a screen, in light and dark."""

import base64
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.audit.test_page import audited
from tests.evaluate import test_page as evaluated
from tests.predict.test_contact_sheet import make_rows
from tests.report import made
from tests.report.browser import Page, browsing
from tests.report.looks import objections
from tfpipeline.core import image_io
from tfpipeline.predict import contact_sheet
from tfpipeline.report import result_page, run_page
from tfpipeline.report.__main__ import make
from tfpipeline.serve import page as served

LONG = "a_rather_long_name_of_a_class_with_every_detail"
CHECKS = {
    "loss_rises": {"passed": True, "value": 1, "meaning": "the loss rises with steps"},
    "gradients_masked": {
        **{"passed": False, "value": {"then_fooled": 3, "share": 0.25}},
        **{"meaning": "gradients lead somewhere", "otherwise": "trust no robustness"},
    },
    "random_noise": {"passed": None, "value": 0, "meaning": "noise alone does less"},
}
SUMMARY: dict[str, Any] = {
    "command": "python -m tfpipeline.attack --images photographs --epsilon 2/255",
    "seed": 0,
    "versions": {"tensorflow": "2.20.0", "keras": "3.10.0"},
    "network": "MobileNetV2",
}


def training(folder: Path, count: int = 2) -> Path:
    names = [f"{LONG}_{i}" for i in range(count)] if count > 2 else ["cat", "dog"]
    return run_page.write(made.run(folder / "run", names))


def many_classes(folder: Path) -> Path:
    return training(folder, 40)


def comparison(folder: Path) -> Path:
    runs = [made.run(folder / n / LONG, ["a", "b"], seed=i) for i, n in enumerate("xy")]
    for run, right in zip(runs, (100, 102)):
        made.predictions(run, [image < right for image in range(120)])
    return make([run.path for run in runs], folder / "comparison.html")


def attack(folder: Path) -> Path:
    items = [
        {
            **{"image": f"photographs/{LONG}/{i}.jpg", "adversarial": "p.png"},
            **{"clean_class": LONG, "clean_probability": 0.93, "figure": "p.png"},
            **{"final_class": "hot dog", "final_probability": 0.71, "steps": 12},
            **{"success": True, "success_8bit": i > 0, "linf": 2 / 255, "psnr": 43.0},
            **{"epsilon": 2 / 255, "norm": "linf", "least": 0.004},
        }
        for i in range(3)
    ]
    summary = {
        **SUMMARY,
        **{"success_rate_jpeg": {"95": 0.5, "75": 0.0}, "median_least": 0.004},
        **{"sheet": "p.png", "overview": "p.png", "median": {"psnr": 43.0}},
    }
    return result(folder, "attack.json", items, summary)


def synthesis(folder: Path) -> Path:
    verdict = {"top": LONG, "rank": 3, "probability": 0.2}
    items = [
        {
            **{"class": LONG, "image": "p.png", "chart": "p.png", "recognised": True},
            **{"probability": 0.98, "start_score": 0.1, "end_score": 21.0},
            "judges": {"ResNet50V2": verdict},
        }
        for _ in range(3)
    ]
    votes = {"took_no_part": True, "top_1": 1, "top_5": 2, "known": 3}
    summary = SUMMARY | {"recognised": 3, "judges": {"ResNet50V2": votes}}
    summary |= {"sheet": "p.png", "least_probability": 0.98}
    return result(folder, "synthesis.json", items, summary)


def features(folder: Path) -> Path:
    items = [
        {
            **{"image": f"photographs/{LONG}/{i}.jpg", "class": LONG},
            **{"probability": 0.5, "explained_sheet": "p.png", "overview": "p.png"},
        }
        for i in range(3)
    ]
    summary = SUMMARY | {"layers": ["block_1", "block_6"], "sheet": "p.png"}
    return result(folder, "features.json", items, summary)


def study(folder: Path) -> Path:
    best = {"source": f"data/{LONG}", "backbone": "EfficientNetB0", "method": "probe"}
    means = [
        {**best, "backbone": b, "shots": s, "accuracy": 0.9, "half_interval": 0.02}
        for b in ("EfficientNetB0", "MobileNetV2", "ResNet50V2")
        for s in (5, "all")
    ]
    why = "highest validation accuracy of all networks of at most twice its time"
    advice = {**best, "reason": why, "command": f"python -m tfpipeline.train {LONG}"}
    summary = SUMMARY | {"means": means, "shots_chart": "p.png", "cost_chart": "p.png"}
    return result(folder, "study.json", [], summary, recommendation=[advice])


def result(
    folder: Path, name: str, items: list[Any], summary: dict[str, Any], **more: Any
) -> Path:
    picture = np.random.default_rng(0).integers(0, 255, (60, 180, 3), np.uint8)
    image_io.save_png(folder / "p.png", picture)
    found = {"images": items, "checks": CHECKS, "summary": summary, **more}
    made.result(folder, name, found)
    return result_page.write(folder)


def evaluation(folder: Path) -> Path:
    evaluated.write(evaluated.make_examples(folder), folder / "run")
    return folder / "run" / "evaluation.html"


def predictions(folder: Path) -> Path:
    contact_sheet.write(folder / "p.html", make_rows(folder), f"runs/{LONG * 3}")
    return folder / "p.html"


def trial(folder: Path) -> Path:
    """Return the page of `serve --ui` with all its parts shown and filled."""
    text = served.render(LONG, grad_cam=True)
    answer = re.sub(r"<script>.*</script>", "", text, flags=re.DOTALL)
    answer = answer.replace(" hidden>", ">").replace(
        'id="best">', f'id="best">{LONG}: '
    )
    answer = answer.replace(
        'id="error" role="alert">', 'id="error">The server is gone.'
    )
    bar = f'<li><span class="name">{LONG}</span><span>93 %</span></li>'
    answer = answer.replace("</ol>", f"{bar * 3}</ol>")
    small = base64.b64encode(image_io.to_png(np.zeros((96, 96, 3), np.uint8))).decode()
    near = f'<figure><img alt="" src="data:image/png;base64,{small}">'
    near += f"<figcaption>{LONG}, distance 0.10</figcaption></figure>"
    answer = answer.replace('id="near">', f'id="near">{near * 3}')
    assert answer.count(LONG) > 8 and "The server is gone." in answer
    (folder / "ui.html").write_text(answer)
    return folder / "ui.html"


PAGES: list[Callable[[Path], Path]] = [
    *(training, many_classes, comparison, attack, synthesis, features, study),
    *(evaluation, audited, predictions, trial),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browsing(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.mark.parametrize("write", PAGES, ids=lambda write: write.__name__)
def test_everything_can_be_read_on_any_screen_in_light_and_dark(
    browser: Page, tmp_path: Path, write: Callable[[Path], Path]
) -> None:
    file = write(tmp_path)
    wrong = [
        words
        for width in (1200, 400)
        for scheme in ("light", "dark")
        for words in objections(browser, file, width, scheme)
    ]
    assert wrong == []


BAD = {
    "scrolls to": '<p style="width:600px">wide</p>',
    "cut: ": '<p style="width:4em;overflow:hidden;white-space:nowrap">words cut</p>',
    "overlap: ": '<p>one</p><p style="margin-top:-2.2rem">other</p>',
    "contrast 1.0: ": '<p style="color:white;background:white">white</p>',
    "letters of 5.0 px: ": '<p style="font-size:5px">small</p>',
    "contrast 1.2: ": '<svg viewBox="0 0 100 50"><path d="M0 0H90V40H0Z" fill="#eee"/>'
    '<text x="20" y="20" fill="#fff">in a cell</text></svg>',
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_read_is_objected_to(
    browser: Page, tmp_path: Path, what: str
) -> None:
    start = "<!doctype html><meta name=viewport content='width=device-width'>"
    style = "<body style='margin:9px;font:16px/1.5 sans-serif;background:#fff'>"
    (tmp_path / "bad.html").write_text(f"{start}{style}{BAD[what]}")
    found = objections(browser, tmp_path / "bad.html", 400, "light")
    assert found and all(what in words for words in found), found
