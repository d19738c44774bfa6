"""What is to be known of a set is counted, named with an example, and in order."""

import json
from pathlib import Path

import numpy as np

from tfpipeline.data import quality
from tfpipeline.data.review import Finding, Opened, Review, review
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources.base import Source

SCORES = {"shadows": 20, "highlights": 230, "contrast": 50}
SCORES |= {"sharpness": 125, "colour": 14}


def row(number: int, **about: object) -> Row:
    """Return the audit of a good photograph, but for what is said of it."""
    good = {"sha256": f"{number:064x}", "height": 30, "width": 40, **SCORES}
    return Row(f"/p/{number}.jpg", **(good | about))  # type: ignore[arg-type]


def source(count: int, split: str = "train", labels: str = "ab") -> Source:
    names = tuple(f"{i}.jpg" for i in range(count))
    label = np.arange(count, dtype=np.int32) % len(labels)
    paths = tuple(Path("/p", name) for name in names)
    return Source("/p", tuple(labels), paths, names, label, (split,) * count)


def kinds(known: Review) -> list[str]:
    return [finding.kind for finding in known.findings]


def test_of_a_healthy_set_nothing_is_said_but_what_it_is() -> None:
    known = review(source(20), [row(i) for i in range(20)], [])
    assert known == Review(20, {"train": 20}, {"a": 10, "b": 10}, ())


def test_every_finding_has_its_number_and_an_example_and_the_serious_come_first() -> (
    None
):
    rows = [row(i) for i in range(40)]
    rows[3] = row(2)  # Labels alternate.
    rows[4] = row(4, reason="damaged jpeg: cut off")
    rows[6] = row(6, reason="not an image (text)")
    flat = dict.fromkeys(SCORES, 0) | {"shadows": 255, "highlights": 255}
    rows[8] = row(8, warning=f"{quality.FLAT}: #ffffff", **flat)
    rows[9] = row(9, sharpness=30)
    rows[11] = row(11, warning="animated: first of 3 frames; png called .jpg")
    given = source(40)
    split = ["train"] * 38 + ["test"] * 2
    given = Source(**(vars(given) | {"split": tuple(split)}))
    opened = Opened(["/p: pred was passed over"], {"hidden": {"/p/.x"}, "beside": ()})
    known = review(given, rows, [[1, 39], [5, 7, 38]], opened=opened)
    assert known.findings == (
        Finding("label_conflict", 1, "2.jpg ~ 3.jpg", "'a' and 'b'"),
        Finding("across_splits", 2, "1.jpg ~ 39.jpg", "train and test"),
        Finding("source", 1, "", "pred was passed over"),
        Finding("unusable", 2, "4.jpg", "1 damaged jpeg, 1 not an image"),
        Finding(quality.FLAT, 1, "8.jpg", "#ffffff"),
        Finding("blurred", 1, "9.jpg", "sharpness 0.30"),
        Finding("animated", 1, "11.jpg", "first of 3 frames"),
        Finding("name", 1, "11.jpg", "png called .jpg"),
        Finding("exact_copy", 1, "2.jpg ~ 3.jpg"),
        Finding("near_copy", 3, "1.jpg ~ 39.jpg"),
        Finding("passed_over", 1, ".x", "1 hidden"),
    )
    assert known.images == 38 and known.splits == {"train": 36, "test": 2}
    assert json.loads(json.dumps(known.to_json()))["findings"][0]["count"] == 1


def test_files_that_were_set_aside_before_are_counted_as_well() -> None:
    bad = [("broken.jpg", Row("/p/broken.jpg", reason="empty file"))]
    known = review(source(20), [row(i) for i in range(20)], [], bad=bad)
    assert known.images == 20
    assert known.findings == (Finding("unusable", 1, "broken.jpg", "1 empty file"),)


def test_classes_are_counted_among_training_images_and_small_ones_named() -> None:
    given = source(40)
    label = np.array([0] * 30 + [1] * 2 + [0] * 4 + [1] * 4, np.int32)
    split = ("train",) * 32 + ("test",) * 8
    given = Source(**(vars(given) | {"label": label, "split": split}))
    rows = [row(i) for i in range(40)]
    known = review(given, rows, [], min_class_share=0.2)
    assert known.classes == {"a": 30, "b": 2}
    assert known.findings == (Finding("few_images", 1, "b", "2 of 30"),)
    assert not review(given, rows, [], min_class_share=0.05).findings


def test_copies_in_a_source_without_splits_are_no_leaks() -> None:
    known = review(source(20, ""), [row(i) for i in range(20)], [[1, 2]])
    assert kinds(known) == ["near_copy"] and not known.splits
