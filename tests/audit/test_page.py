"""The page of an audit: each finding with its pictures, and nothing from outside."""

import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tests.report.browser import browsing
from tfpipeline import cli
from tfpipeline.audit.command import audit
from tfpipeline.audit.inspection import PAGE
from tfpipeline.config import AuditSettings
from tfpipeline.core import image_io

EVIL = "<script>alert(1)</script>"


class Reader(HTMLParser):
    """What a page shows: pictures and words of each section, ids, links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.pictures: dict[str, list[str]] = {}
        self.words: dict[str, str] = {}
        self.section = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given[k] for k in ("href", "src", "action") if k in given]
        if tag == "section":
            self.section = given["id"]
        if tag == "img":
            self.pictures.setdefault(self.section, []).append(given["src"])

    def handle_data(self, data: str) -> None:
        self.words[self.section] = self.words.get(self.section, "") + data


def audited(root: Path) -> Path:
    """Return the page of a source that has one of everything."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 4)):
        for name in ("a", EVIL.replace("/", "")):
            for i in range(count):
                noise = rng.integers(0, 256, (12, 12, 3), np.uint8)
                picture = Image.fromarray(noise).resize((96, 96), Image.Resampling.BOX)
                image_io.save_png(
                    root / "p" / split / name / f"{i}.png", np.asarray(picture)
                )
    train, test = root / "p/train/a", root / "p/test/a"
    with Image.open(train / "0.png") as picture:
        picture.resize((60, 60), Image.Resampling.BOX).save(test / "small.png")
    with Image.open(train / "1.png") as picture:
        picture.point(lambda value: value // 10).save(train / "night.png")
    with Image.open(train / "2.png") as picture:
        picture.filter(ImageFilter.GaussianBlur(9)).save(train / "soft.png")
    shutil.copy(train / "3.png", root / "p/train" / EVIL.replace("/", "") / "same.png")
    (train / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    image_io.save_png(train / "white.png", np.full((20, 20, 3), 255, np.uint8))
    argv = ["--source", str(root / "p"), "--output", str(root / "out"), "--quiet"]
    assert cli.main(audit, AuditSettings, argv) == 0
    return root / "out" / PAGE


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return audited(tmp_path_factory.mktemp("audited"))


def test_each_kind_of_finding_has_its_pictures_and_names(page: Path) -> None:
    read = Reader(page.read_text())
    assert len(read.pictures["classes"]) == 1
    for section, pictures, names in (
        ("conflicts", 2, ("train/a/3.png", "same.png")),
        ("leaks", 2, ("train/a/0.png", "test/a/small.png")),
        ("flat", 1, ("train/a/white.png",)),
        ("quality", 3, ("train/a/night.png", "train/a/soft.png", "dark", "blurred")),
    ):
        assert len(read.pictures[section]) == pictures, section
        assert all(name in read.words[section] for name in names), section
    assert "train/a/broken.png" in read.words["broken"]


def test_nothing_on_it_comes_from_outside_and_links_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    read = Reader(text)
    assert len(set(read.ids)) == len(read.ids)
    inside = {f"#{name}" for name in read.ids}
    assert all(link.startswith("data:") or link in inside for link in read.links)
    assert text.count("<script>") == 1 and "url(" not in text
    assert page.stat().st_size < 1e6


@pytest.mark.parametrize("width", [400, 1280])
def test_in_a_browser_it_fits_and_asks_for_nothing(
    page: Path, tmp_path: Path, width: int
) -> None:
    with browsing(tmp_path) as browser:
        browser.open(page, width)
        assert browser.ask("document.documentElement.scrollWidth") <= width
        assert browser.complaints == [] and browser.requests == []


@pytest.mark.parametrize(
    "target, words",
    [("number", "with two numbers"), ("multi", "with different labels")],
)
def test_equal_files_are_told_in_the_words_of_the_target(
    tmp_path: Path, target: str, words: str
) -> None:
    rng = np.random.default_rng(0)
    for i in range(12):
        shade = rng.integers(0, 256, (12, 12, 3), np.uint8)
        image_io.save_png(tmp_path / f"{i}.png", shade)
    shutil.copy(tmp_path / "0.png", tmp_path / "1.png")
    cells = range(12) if target == "number" else ["a|b", "b", *["a", "b"] * 5]
    lines = [f"{i}.png,{cell}" for i, cell in enumerate(cells)]
    (tmp_path / "s.csv").write_text("\n".join(["path,label", *lines]))
    out = tmp_path / "audit"
    argv = [str(tmp_path / "s.csv"), "--data.target", target, "--quiet"]
    argv += ["--output", str(out), "--cache_dir", str(tmp_path / "cache")]
    assert cli.main(audit, AuditSettings, argv) == 0
    page = " ".join((out / PAGE).read_text().split())
    assert f"1 group of identical files {words}" in page and "two classes" not in page
    assert f"Identical files {words}" in page
