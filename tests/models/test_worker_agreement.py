"""What may not differ between workers, and what each of them then says."""

import dataclasses
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.distribute.test_agreement import together
from tfpipeline import distribute
from tfpipeline.attack import photos
from tfpipeline.attack.photos import Subject
from tfpipeline.config import DataSettings, DistributeSettings, RunSettings
from tfpipeline.core import provenance
from tfpipeline.core.errors import UserError
from tfpipeline.data.corrections import Corrections
from tfpipeline.data.dataset import Examples
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources.base import from_rows
from tfpipeline.distribute.agreement import Exchange, difference
from tfpipeline.models import worker_agreement

IDS = [f"{name}/{k}.jpg" for name in ("cat", "dog") for k in range(3)]


def examples() -> Examples:
    rows = [(Path("/data") / one, one, k // 3, "") for k, one in enumerate(IDS)]
    files = tuple(Row(f"/data/{one}", sha256=f"digest of {one}") for one in IDS)
    split = np.array(["train", "validation", "test"] * 2, dtype=object)
    return Examples(from_rows("/data", ("cat", "dog"), rows), files, split, ())


def told(one: Examples, two: Examples) -> str:
    """Return what both workers say of what they have found."""

    def work(index: int, swap: Exchange) -> str:
        return difference(worker_agreement.example_facts((one, two)[index]), swap)

    (words,) = set(together(2, work))
    return words


def test_equal_copies_of_the_data_are_the_same() -> None:
    assert told(examples(), examples()) == ""


def relabelled(found: Examples) -> Examples:
    label = found.source.label.copy()
    label[2] = 1
    return dataclasses.replace(
        found, source=dataclasses.replace(found.source, label=label)
    )


def without_a_file(found: Examples) -> Examples:
    some = np.array([0, 2, 3, 4, 5])
    files = tuple(found.files[k] for k in some)
    source, split = found.source.take(some), found.split[some]
    return dataclasses.replace(found, source=source, files=files, split=split)


def with_other_classes(found: Examples) -> Examples:
    source = dataclasses.replace(found.source, labels=("cat", "wolf"))
    return dataclasses.replace(found, source=source)


def with_an_older_file(found: Examples) -> Examples:
    files = (*found.files[:3], Row("/data/dog/0.jpg", sha256="old"), *found.files[4:])
    return dataclasses.replace(found, files=files)


def split_otherwise(found: Examples) -> Examples:
    return dataclasses.replace(found, split=np.roll(found.split, 1))


def with_a_broken_file(found: Examples) -> Examples:
    row = Row("/data/cat/9.jpg", reason="truncated jpeg")
    return dataclasses.replace(found, quarantined=(("cat/9.jpg", row),))


def corrected(found: Examples) -> Examples:
    fixes = Corrections({"cat/1.jpg": 1}, frozenset({"dog/9.jpg"}))
    return dataclasses.replace(found, corrected=fixes)


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (relabelled, "labels", ("cat/2.jpg: cat", "cat/2.jpg: dog")),
        (without_a_file, "files", ("'cat/1.jpg' as number 2 of 6", "number 2 of 5")),
        (with_other_classes, "classes", ("dog", "wolf")),
        (with_an_older_file, "contents of files", ("dog/0.jpg", "old")),
        (split_otherwise, "splits", ("cat/0.jpg: train", "cat/0.jpg: test")),
        (with_a_broken_file, "unusable files", ("nothing", "truncated jpeg")),
        (corrected, "corrections", ("nothing", "cat/1.jpg: dog")),
    ],
)
def test_another_copy_of_the_data_is_told_by_what_differs(change, kind, words) -> None:
    found = told(examples(), change(examples()))
    assert found.startswith(f"{kind}: worker 0 has ")
    assert all(word in found for word in words)


@pytest.fixture
def two_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a function that exchanges stand for a strategy of two workers."""
    monkeypatch.setattr(distribute.agreement, "workers", lambda swap: (0, 2))
    monkeypatch.setattr(
        distribute.agreement, "exchange", lambda swap, value: swap(value)
    )


def refused(check: Callable[..., None], *given: Sequence[Any]) -> str:
    """Return what both workers say when each is given its own; nothing if nothing."""

    def work(index: int, swap: Exchange) -> str:
        try:
            check(swap, *(one[index] for one in given))
        except UserError as error:
            assert error.exit_code == 2
            return str(error)
        return ""

    (words,) = set(together(2, work))
    return words


@pytest.mark.usefixtures("two_workers")
def test_settings_have_to_be_the_same_but_for_a_worker_s_own(tmp_path: Path) -> None:
    given = RunSettings(seed=1, data=DataSettings(source="x"))
    own = dataclasses.replace(
        given,
        cache_dir="/local",
        distribute=DistributeSettings(index=1),
        data=DataSettings(source="x", cache="ram"),
    )
    assert refused(worker_agreement.check_settings, (given, own)) == ""
    other = dataclasses.replace(given, seed=2)
    words = refused(worker_agreement.check_settings, (given, other))
    assert "worker 0 has '--seed 1'; worker 1 has '--seed 2'" in words
    (tmp_path / "a.jpg").write_bytes(b"x")
    files = (str(tmp_path / "a.jpg"), str(tmp_path / "b.jpg"))
    assert "b.jpg" in refused(worker_agreement.check_settings, (given, given), files)


@pytest.mark.usefixtures("two_workers")
def test_packages_have_to_be_the_same_but_not_python(monkeypatch) -> None:
    versions = [{"python": "3.10", "keras": "3.5"}, {"python": "3.11", "keras": "3.5"}]
    mine = threading.local()
    monkeypatch.setattr(provenance, "versions", lambda: mine.versions)

    def check(swap: Any, own: dict[str, str]) -> None:
        mine.versions = own
        worker_agreement.check_settings(swap, RunSettings())

    assert refused(check, versions) == ""
    versions[1]["keras"] = "3.6"
    words = refused(check, versions)
    assert "packages: worker 0 has 'keras 3.5'; worker 1 has 'keras 3.6'." in words


@pytest.mark.usefixtures("two_workers")
def test_another_photograph_is_told() -> None:
    def subject(grey: int) -> Subject:
        picture = np.full((2, 2, 3), grey, np.uint8)
        return Subject(Path("a.jpg"), picture, 0, "folder", np.ones(1))

    same, other = [subject(1)], [subject(2)]
    assert refused(photos.check_subjects, (same, [subject(1)])) == ""
    assert "a.jpg" in refused(photos.check_subjects, (same, other))
    assert "worker 1 has nothing" in refused(photos.check_subjects, (same, []))


@pytest.mark.usefixtures("two_workers")
def test_an_error_says_what_to_do() -> None:
    both = (examples(), relabelled(examples()))
    assert "--data.source" in refused(worker_agreement.check_examples, both)


def test_a_single_worker_is_asked_nothing(strategy) -> None:
    worker_agreement.check_settings(strategy, RunSettings(), "no such file")
    worker_agreement.check_examples(strategy, examples())
    photos.check_subjects(strategy, [])
    worker_agreement.check_weights(strategy, [])
