"""A trial refuses what computes something else, and its record is kept or forgotten."""

import numpy as np
import pytest

from tfpipeline.models.engines import trial
from tfpipeline.models.engines.names import BFLOAT16, LITERT, TENSORFLOW
from tfpipeline.models.engines.trial import Record, Unfit

EXACT = np.random.default_rng(0).normal(size=(24, 8)).astype(np.float32)
IMAGES = np.zeros((24, 4, 4, 3), np.float32)


def give(rows: np.ndarray):
    return lambda images: rows[: len(images)]


def test_a_float32_engine_may_round_otherwise_and_no_more() -> None:
    scale = np.abs(EXACT[:8]).max()
    least = np.linalg.norm(EXACT[:8], axis=1).min()
    change = trial.check(LITERT, give(EXACT + 0.5e-4 * scale), IMAGES, EXACT)
    assert change == pytest.approx(0.5e-4 * scale * np.sqrt(8) / least, rel=0.01)
    with pytest.raises(Unfit, match="differ from TensorFlow's by 0.0002"):
        trial.check(LITERT, give(EXACT + 2e-4 * scale), IMAGES, EXACT)


@pytest.mark.parametrize("name", [LITERT, BFLOAT16])
def test_no_numbers_and_other_shapes_are_refused(name: str) -> None:
    broken = np.where(EXACT > 2, np.nan, EXACT)
    broken[0, 0] = np.nan
    for rows in (broken, EXACT[:, :4], np.full_like(EXACT, np.inf)):
        with pytest.raises(Unfit):
            trial.check(name, give(rows), IMAGES, EXACT)


def test_bfloat16_is_held_to_neighbours() -> None:
    digits = EXACT.astype(np.float16).astype(np.float32)
    assert 0 < trial.check(BFLOAT16, give(digits), IMAGES, EXACT) < 2**-11
    longer = trial.check(BFLOAT16, give(EXACT * 1.25), IMAGES, EXACT)
    assert longer == pytest.approx(0.25, rel=1e-5)
    with pytest.raises(Unfit, match="neighbours"):
        trial.check(BFLOAT16, give(EXACT[::-1].copy()), IMAGES, EXACT)
    with pytest.raises(Unfit, match="too few"):
        trial.check(BFLOAT16, give(EXACT), IMAGES[:8], EXACT[:8])


def test_the_fastest_is_taken_where_it_is_clearly_so() -> None:
    names = [LITERT, BFLOAT16]
    assert Record().best(names) == TENSORFLOW
    assert Record({LITERT: 1.0}).best(names) == TENSORFLOW
    assert Record({TENSORFLOW: 4.0, LITERT: 2.0}).best(names) == LITERT
    assert Record({TENSORFLOW: 4.0, LITERT: 3.9}).best(names) == TENSORFLOW
    three = Record({TENSORFLOW: 4.0, LITERT: 2.0, BFLOAT16: 1.0})
    assert three.best(names) == BFLOAT16 and three.best([LITERT]) == LITERT


def test_a_record_is_read_as_it_was_written_and_damage_is_none(tmp_path) -> None:
    file = tmp_path / "engines" / "one.json"
    assert Record.read(file) == Record()
    record = Record({TENSORFLOW: 4.0}, {LITERT: "it lacks an operation"}, "ab12", 0.1)
    record.write(file, {"network": "x"})
    assert Record.read(file) == record
    assert record.knows(LITERT) and not record.knows(BFLOAT16)
    for text in ("", "[]", '{"milliseconds": 3}', file.read_text()[:-9]):
        file.write_text(text)
        assert Record.read(file) == Record()


def test_batches_are_gathered_until_neighbours_can_be_compared() -> None:
    read = []

    def batches():
        for start in range(0, 80, 8):
            read.append(start)
            yield np.arange(start, start + 8), None, np.array([1.0] * 7 + [0.0])

    images = trial.gather(batches())
    assert images.tolist() == [i for i in range(24) if i % 8 != 7][:16]
    assert len(read) == 3


def test_a_clock_counts_milliseconds_an_image(monkeypatch) -> None:
    import time

    calls = []

    def run(images):
        calls.append(len(images))
        time.sleep(0.02)

    took = trial.clock(run, IMAGES)
    assert 20 / 24 <= took < 4 * 20 / 24 and 2 <= len(calls) <= 8
    monkeypatch.setattr(trial, "_CLOCK_SECONDS", 0.01)
    trial.clock(run, IMAGES)
    assert calls.pop() == 24 and len(calls) <= 8


def test_the_pass_that_engines_are_checked_with_is_timed_as_well(monkeypatch) -> None:
    sizes: list[int] = []

    def timed(run, images) -> tuple[np.ndarray, float]:
        sizes.append(len(images))
        return run(images), 50.0

    monkeypatch.setattr(trial, "timed", timed)
    rows = np.arange(20.0, dtype=np.float32)[:, None]
    outputs, took = trial.reference(lambda images: images, rows)
    np.testing.assert_array_equal(outputs, rows)
    # The first eight trace; there is no other pass, since one is long enough.
    assert took == 50.0 and sizes == [8, 4]
    outputs, took = trial.reference(lambda images: images, rows[:5])
    assert len(outputs) == 5 and took == 50.0 and sizes == [8, 4, 5]


def test_clear_differences_need_no_race(monkeypatch) -> None:
    took = {"base": 4.0, "other": 2.0}
    races: list[str] = []
    words = ("base", IMAGES), 4.0, ("other", IMAGES)
    monkeypatch.setattr(trial, "timed", lambda run, images: (images, took[run]))
    monkeypatch.setattr(trial, "race", lambda *_: races.append("race") or [3.5, 3.0])
    assert trial.compare(*words) == [4.0, 2.0] and not races
    took["other"] = 8.0
    assert trial.compare(*words) == [4.0, 8.0] and not races
    took["other"] = 3.2
    assert trial.compare(*words) == [3.5, 3.0] and races


def test_engines_take_turns_and_the_best_of_each_counts(monkeypatch) -> None:
    turns: list[str] = []
    took = {"a": iter([9.0, 5.0, 7.0] + [8.0] * 99), "b": iter([3.0] * 99)}

    def timed(run, images) -> tuple[np.ndarray, float]:
        turns.append(run)
        return images, next(took[run])

    monkeypatch.setattr(trial, "timed", timed)
    monkeypatch.setattr(trial, "_RACE_SECONDS", 0.5)
    assert trial.race(("a", IMAGES), ("b", IMAGES[:8])) == [5.0, 3.0]
    # 24 images of one, 8 of the other, until half a second has gone by.
    assert turns == ["a", "b"] * 3
