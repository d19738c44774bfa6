"""Measuring: medians in turn, and the batch size that is taken."""

import time

import pytest

from tfpipeline import distribute
from tfpipeline.benchmark import measurement, preparation
from tfpipeline.config import DistributeSettings, ModelSettings
from tfpipeline.config.benchmark import BenchmarkSettings
from tfpipeline.core.errors import UserError
from tfpipeline.core.provenance import Phases


def test_work_is_done_in_turn_and_the_first_round_is_not_counted() -> None:
    done: list[str] = []
    late = iter([0.2, 0.0, 0.0, 0.0])

    def slow() -> None:
        done.append("slow")
        time.sleep(0.02 + next(late))

    rates = measurement.medians(
        {"slow": (10, slow), "quick": (10, lambda: done.append("quick"))}, 3
    )
    assert done == ["slow", "quick"] * 4
    assert 10 / 0.2 < rates["slow"] <= 10 / 0.02 < rates["quick"]


def test_the_smallest_batch_that_is_nearly_best_is_taken() -> None:
    assert measurement.good_size({1: 20.0, 8: 97.5, 16: 100.0, 32: 99.0}) == 8
    assert measurement.good_size({1: 20.0, 8: 60.0, 16: 100.0}) == 16


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    # The one of this process: another one would number its all-reduces alike.
    strategy = distribute.choose(DistributeSettings("mirrored", 2))
    model = ModelSettings("PlainCNN", "none", None, 32)
    settings = BenchmarkSettings(images=64, rounds=1, model=model)
    cache = tmp_path_factory.mktemp("cache")
    return preparation.prepare(settings, strategy, cache, Phases())[0]


def test_two_replicas_are_measured_as_one_device_is(setup) -> None:
    result = measurement.measure(setup, 100.0, Phases())
    rates = result["images_per_second"]
    assert rates.pop("audit") == 100.0
    assert set(rates) == {"reading", "network", "extraction", "head", "fine_tuning"}
    assert all(rate > 0 for rate in rates.values())
    assert all(size % 2 == 0 for size in result["by_batch_size"])
    assert result["batch_size"] in result["by_batch_size"]
    assert result["network"]["image_size"] == 32
    assert "2 replicas" in result["machine"]["devices"]


def test_few_pictures_are_repeated(setup) -> None:
    assert len(setup.rows) == 64
    assert sorted(set(setup.order.tolist())) == list(range(64))


def test_a_device_that_no_batch_fits_is_told_so(setup, monkeypatch) -> None:
    def full(*given) -> None:
        raise MemoryError

    monkeypatch.setattr(measurement, "Predictor", lambda *given: full)
    with pytest.raises(UserError, match="too little memory"):
        measurement.by_batch_size(setup)
