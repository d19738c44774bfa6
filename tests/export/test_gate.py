"""Which images a version is asked about, and which others set 8-bit ranges."""

import pytest

from tfpipeline.config.serving import ExportSettings
from tfpipeline.core.errors import UserError
from tfpipeline.data.scan_cache import Row
from tfpipeline.export import converters, gate


def rows(*digests: str) -> list[Row]:
    return [Row(path=f"{i}.png", sha256=name) for i, name in enumerate(digests)]


def digests(files: list[Row]) -> list[str]:
    return [row.sha256 for row in files]


def test_ranges_are_set_by_training_images_of_which_the_gate_has_no_copy() -> None:
    asked, ranges = gate.divide(rows(*"abc"), rows(*"xbyz"), 200, True)
    assert digests(asked) == list("abc") and digests(ranges) == list("xyz")
    asked, ranges = gate.divide(rows(*"abc"), rows(*"xyz"), 2, False)
    assert digests(asked) == list("ac") and ranges == []


@pytest.mark.parametrize("count", [2, 3, 150, 1000])
def test_without_training_images_one_half_sets_ranges_and_the_other_is_the_gate(
    count: int,
) -> None:
    there = [f"{i:04}" for i in range(count)]
    asked, ranges = gate.divide(rows(*there), [], 200, True)
    assert set(digests(asked)) <= set(there[::2])
    assert set(digests(ranges)) <= set(there[1::2])
    assert len(asked) == min(200, len(there[::2]))
    assert len(ranges) == min(100, len(there[1::2]))


@pytest.mark.parametrize("there", ["a", "aa", "aaa"])
def test_one_image_cannot_both_set_ranges_and_gate(there: str) -> None:
    with pytest.raises(UserError, match="--also litert_int8: .* --images"):
        gate.divide(rows(*there), [], 200, True)


def test_one_tolerance_is_for_all_and_what_is_not_named_keeps_its_own() -> None:
    def of(given: float | dict[str, float] | None) -> dict[str, float]:
        settings = ExportSettings(tolerance=given)
        return {name: gate.tolerance(settings, name) for name in gate.tolerances()}

    assert set(of(None)) == {gate.SAVEDMODEL, *converters.TARGETS}
    assert set(of(0.05).values()) == {0.05}
    assert of({"onnx": 0.5}) == of(None) | {"onnx": 0.5}
