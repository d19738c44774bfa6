"""What is told of targets before anything is trained on them."""

import dataclasses

import numpy as np
import pytest

from tests.data.sources.test_targets import prepare, several, written
from tfpipeline.data.review import Opened
from tfpipeline.data.sources import label_checks, targets
from tfpipeline.report.closing import data_block, data_lines


def test_cardinality_and_classes_that_never_or_always_occur(tmp_path) -> None:
    labels = several([])[:60]
    source = prepare(written(tmp_path, ("label",), labels), "multi").source
    values = source.values.copy()
    values[:, 0], values[:, 1] = 1, 0
    values[:, 2] = np.arange(60) < 3
    source = targets.with_values(source, "multi", values)
    facts = {f.kind: f for f in label_checks.facts(source, range(60))}
    assert facts["cardinality"].detail.startswith("1.05 an image (1 to 2), 0.350 of")
    assert (facts["never"].count, facts["never"].example) == (1, "'b'")
    assert facts["always"].detail == "60 of 60 images"
    assert facts["rarely"].detail == "3 of 60 images" and "unlabelled" not in facts


def test_images_without_a_label_are_counted_and_named(tmp_path) -> None:
    labels = several([])[:60]
    examples = prepare(written(tmp_path, ("label",), labels), "multi")
    lines = dict(data_lines(examples.review(Opened(), 0.0))[1])
    count = sum(not labels[i] for i in range(60) if examples.split[i] == "train")
    assert lines["no label"].startswith(f"{count} image")
    assert "any number of them per image" in data_block(
        examples.review(Opened(), 0.0)
    ).replace("\n", " ")


def test_a_number_that_is_constant_is_told(tmp_path) -> None:
    source = prepare(written(tmp_path, ("label",), range(60)), "number").source
    (fact,) = label_checks.facts(source, range(60))
    assert fact.detail.startswith("label from 0 to 59, mean 29.5, standard deviation")
    flat = targets.with_values(source, "number", np.full((60, 1), 3.0))
    kinds = [fact.kind for fact in label_checks.facts(flat, range(60))]
    assert kinds == ["number", "constant"]
    assert sum(label_checks.counts(source, range(60)).values()) == 60


def test_nothing_is_said_of_single_classes(tmp_path) -> None:
    source = prepare(written(tmp_path, ("label",), list("ab") * 30)).source
    assert not list(label_checks.facts(source, range(60)))
    assert label_checks.counts(source, range(60)) == {"a": 30, "b": 30}
    assert dataclasses.replace(source).values is None


def test_the_rare_classes_are_told_with_the_images_of_all_of_them(tmp_path) -> None:
    source = prepare(written(tmp_path, ("label",), several([])[:60]), "multi").source
    values = source.values.copy()
    values[:, 0], values[:, 1] = np.arange(60) < 4, np.arange(60) < 2
    source = targets.with_values(source, "multi", values)
    (fact,) = (f for f in label_checks.facts(source, range(60)) if f.kind == "rarely")
    assert (fact.example, fact.detail) == ("'a', 'b'", "2 to 4 of 60 images")


def test_sizes_of_shares_are_their_sums(tmp_path) -> None:
    hot = [[0.3] * 60, [0.7] * 60]
    file = written(tmp_path, ("a", "b"), *hot)
    examples = prepare(file, "soft", label_columns="a,b")
    assert label_checks.counts(examples.source, range(60)) == {"a": 18, "b": 42}
    assert "few images" not in dict(data_lines(examples.review(Opened(), 0.3))[1])


def test_what_rounding_leaves_is_no_deviation() -> None:
    rng = np.random.default_rng(0)
    flat = np.full(57, 0.1, np.float32).astype(float)
    for _ in range(50):
        assert label_checks.deviation(flat, rng.uniform(0.3, 3, 57)) == 0
    numbers = rng.normal(1000, 0.01, 57)
    assert label_checks.deviation(numbers) == pytest.approx(numbers.std())
    twice = np.append(numbers, numbers[:9])
    weight = np.where(np.arange(57) < 9, 2.0, 1.0)
    found = label_checks.deviation(numbers, weight)
    assert found == pytest.approx(twice.std(), rel=1e-9)
