"""Folds partition the training images, whole groups at a time."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests.data.grouping.test_names import pictures, prepare
from tests.data.sources import test_targets as of_targets
from tfpipeline.config import DataSettings, RunSettings
from tfpipeline.core.errors import UserError
from tfpipeline.models import classifier
from tfpipeline.train.folds import division


def divided(examples, count: int, seed: int = 0, monkeypatch=None) -> division.Folds:
    settings = RunSettings(seed=seed, data=DataSettings(folds=count))
    monkeypatch.setattr(classifier, "split_classifier", lambda model: (None, model))
    model = SimpleNamespace(weights=[])
    work = SimpleNamespace(
        settings=settings, examples=examples, model=model, chief=True
    )
    return division.divide(work)  # type: ignore[arg-type, return-value]


def test_folds_partition_the_training_images_and_cut_no_group(
    tmp_path, monkeypatch, capsys
) -> None:
    root = pictures(tmp_path / "s", patients=24)
    examples = prepare(root / "set.csv", group_column="patient")
    for seed in range(8):
        fold = divided(examples, 4, seed, monkeypatch).fold
        assert ((fold > 0) == (examples.split == "train")).all()
        train = examples.of("train")
        groups = np.array(examples.source.group)[train]
        assert len({*zip(groups, fold[train])}) == len(set(groups))
        assert np.ptp(np.bincount(fold[train])[1:]) <= 4
    assert "4 folds: 4 more trainings, a head on the same" in capsys.readouterr().err


def test_without_folds_there_are_none(tmp_path, monkeypatch) -> None:
    examples = prepare(pictures(tmp_path / "s") / "set.csv")
    assert divided(examples, 0, monkeypatch=monkeypatch) is None


def test_more_folds_than_groups_are_refused(tmp_path, monkeypatch) -> None:
    root = pictures(tmp_path / "s", patients=6)
    examples = prepare(root / "set.csv", group_column="patient")
    with pytest.raises(UserError, match="--data.folds 7.* Received: 2"):
        divided(examples, 7, monkeypatch=monkeypatch)


def test_a_class_that_one_fold_holds_alone_is_told(
    tmp_path, monkeypatch, capsys
) -> None:
    root = pictures(tmp_path / "s", patients=4)
    given = {"group_column": "patient", "test_fraction": 0.0}
    examples = prepare(root / "set.csv", validation_fraction=0.0, **given)
    label = (np.array(examples.source.group) == "p0").astype(np.int32)
    source = examples.source.__class__(**(vars(examples.source) | {"label": label}))
    examples = examples.__class__(**(vars(examples) | {"source": source}))
    divided(examples, 2, monkeypatch=monkeypatch)
    assert "1 of 2 classes are in one fold alone" in capsys.readouterr().err


@pytest.mark.parametrize("target", ["multi", "number"])
def test_folds_of_any_target_are_even_and_cut_no_group(
    tmp_path, monkeypatch, target
) -> None:
    labels = of_targets.several([])[:60] if target == "multi" else range(60)
    group = [f"g{i // 2}" for i in np.random.default_rng(0).permutation(60)]
    file = of_targets.written(tmp_path, ("label", "patient"), labels, group)
    given = {"group_column": "patient", "validation_fraction": 0.0}
    examples = of_targets.prepare(file, target, test_fraction=0.2, **given)
    for seed in range(6):
        fold = divided(examples, 4, seed, monkeypatch).fold
        assert ((fold > 0) == (examples.split == "train")).all()
        train = examples.of("train")
        groups = np.array(examples.source.group)[train]
        assert len({*zip(groups, fold[train])}) == len(set(groups))
        values = examples.source.values[train]
        if target == "multi":
            shares = [values[fold[train] == k].sum(axis=0) for k in range(1, 5)]
            assert (np.abs(shares - values.sum(axis=0) / 4) <= 3).all()
        else:
            means = [values[fold[train] == k].mean() for k in range(1, 5)]
            assert np.abs(np.array(means) - values.mean()).max() < 0.5 * values.std()


def test_numbers_that_one_fold_holds_alone_are_told(
    tmp_path, monkeypatch, capsys
) -> None:
    numbers = [0] * 6 + list(range(100, 154))
    group = ["low"] * 6 + [str(i) for i in range(54)]
    file = of_targets.written(tmp_path, ("age", "patient"), numbers, group)
    given = {"group_column": "patient", "label_column": "age"}
    given |= {"validation_fraction": 0.0, "test_fraction": 0.0}
    divided(of_targets.prepare(file, "number", **given), 3, monkeypatch=monkeypatch)
    said = " ".join(capsys.readouterr().err.split())
    assert "1 of 10 ranges of 'age' are in one fold alone" in said
    assert "'age 0'" in said and "never seen such numbers" in said
