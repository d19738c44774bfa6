"""The verdict follows from who waits for whom."""

import time

import pytest

from tfpipeline.models.throughput import Meter


def batches(seconds: float, count: int = 6):
    for number in range(count):
        time.sleep(seconds)
        yield number


@pytest.mark.parametrize(
    ("fetching", "computing", "verdict"),
    [(0.02, 0.001, "input-bound"), (0.0, 0.02, "compute-bound")],
)
def test_the_slower_side_is_named(fetching, computing, verdict) -> None:
    meter = Meter()
    for _ in meter.watch(batches(fetching)):
        time.sleep(computing)
        meter.count(4)
    found = meter.verdict()
    assert found is not None and found["verdict"] == verdict
    assert found["images_per_second"] == pytest.approx(20 / found["seconds"], rel=0.05)
    assert 0 <= found["waiting_share"] <= 1


def test_the_first_batch_of_each_pass_does_not_count() -> None:
    meter = Meter()
    for _ in range(3):
        for _ in meter.watch(batches(0.01, 1)):
            meter.count(4)
    assert meter.verdict() is None


def test_without_any_image_the_network_was_all_there_was() -> None:
    found = Meter().verdict()
    assert found is not None and found["verdict"] == "compute-bound"
    assert found["images_per_second"] == 0
