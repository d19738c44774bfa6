"""What rates mean for a training, and what holds it back."""

import pytest

from tfpipeline.benchmark import forecast


def test_a_forecast_is_the_sum_of_what_grows_and_what_does_not() -> None:
    rates = {"audit": 500.0, "extraction": 100.0, "head": 10_000.0}
    rows = forecast.forecast(rates, 8.0, 10)
    assert [row["images"] for row in rows] == list(forecast.COUNTS)
    assert rows[0]["again_seconds"] == pytest.approx(8 + 1)
    assert rows[0]["first_seconds"] == pytest.approx(8 + 1 + 2 + 10)
    growth = rows[3]["first_seconds"] - rows[0]["first_seconds"]
    assert growth == pytest.approx(999 * (1 + 2 + 10))


@pytest.mark.parametrize(
    ("reading", "word"), [(400, "compute-bound"), (50, "input-bound"), (95, "balanced")]
)
def test_the_slower_part_is_what_holds_back(reading: float, word: str) -> None:
    rates = {"reading": float(reading), "network": 100.0, "extraction": 45.0}
    found, advice = forecast.verdict(rates)
    assert found == word
    assert ("4.0 times" in advice) == (word == "compute-bound")
    assert ("2.0 times" in advice) == (word == "input-bound")
