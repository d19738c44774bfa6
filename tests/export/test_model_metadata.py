"""A converted file says what it answers, and promises no more than it keeps."""

import pytest

from tests.export.test_converters import Table
from tfpipeline.export import model_metadata
from tfpipeline.metrics.decision import Decision

PETS = model_metadata.Description(
    *("pets", ["cat", "dog"], (12, 10), "crop"), novelty=True, threshold=1.0
)
AGE = PETS._replace(labels=["age"], decision=Decision("number", ("age",)))


def test_a_file_of_8_bits_promises_no_rate_of_false_alarms() -> None:
    exact, rough = PETS.outputs, PETS._replace(exact=False).outputs
    assert "at most a share of 0.05 has 0" in exact["known"]
    for name in ("novelty", "known"):
        assert "0 where the values are none of pixels" in exact[name]
        # 8 bits are clipped before anything could look at them.
        assert "pixels" not in rough[name]
    assert rough["known"] == "1 where novelty is at most 1, else 0."


def test_of_a_number_there_are_no_class_names_and_nothing_is_nan() -> None:
    assert list(AGE.outputs) == ["value", "novelty", "known"]
    band = Decision("number", ("age",), half_width=2.5)
    wide = AGE._replace(decision=band, novelty=False).outputs
    assert list(wide) == ["value", "low", "high"] and "2.5 from" in wide["low"]
    assert "NaN where" in AGE.outputs["value"]
    assert "NaN" not in AGE._replace(exact=False).outputs["value"]
    for about, has_names in ((PETS, True), (AGE, False)):
        data = model_metadata._table(about)
        root = Table(data, int.from_bytes(data[:4], "little"))
        (graph,) = root.tables(3)
        first, *_ = graph.tables(3)
        if has_names:
            assert [names.text(0) for names in first.tables(6)] == ["labels.txt"]
            continue
        with pytest.raises(AssertionError):
            first.tables(6)
