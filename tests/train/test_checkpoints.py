"""A checkpoint is whole or it is not used, and never that of another training."""

import errno
from pathlib import Path

import numpy as np
import pytest

from tfpipeline.config import CheckpointSettings
from tfpipeline.core.errors import UserError
from tfpipeline.train import checkpoints
from tfpipeline.train.checkpoints import Checkpoints, State

IDENTITY = {"--seed": "0", "the images": "abc"}


def state(number: int) -> State:
    some = np.random.default_rng(number)
    arrays = {
        "weights": [some.normal(size=(3, 4)).astype(np.float32), np.arange(2)],
        "scalars": [np.array(number, np.int64)],
    }
    return State({"step": number, "loss": 0.1 + number, "best": float("inf")}, arrays)


def keeper(folder: Path, **identity: str) -> Checkpoints:
    return Checkpoints(folder, CheckpointSettings(), {**IDENTITY, **identity})


def assert_same(found: State | None, expected: State) -> None:
    assert found is not None and found.values == expected.values
    for name, arrays in expected.arrays.items():
        for one, two in zip(found.arrays[name], arrays, strict=True):
            assert one.dtype == two.dtype
            np.testing.assert_array_equal(one, two)


def test_what_was_saved_last_is_loaded_bit_for_bit(tmp_path: Path) -> None:
    kept = keeper(tmp_path / "c")
    assert kept.load() is None
    for number in range(5):
        kept.save(state(number))
    assert_same(keeper(tmp_path / "c").load(), state(4))
    assert len(list((tmp_path / "c").iterdir())) == checkpoints.KEPT


@pytest.mark.parametrize("damage", ["short", "empty", "flipped", "text"])
def test_a_damaged_one_gives_way_to_the_one_before(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = keeper(tmp_path)
    kept.save(state(1))
    kept.save(state(2))
    last = sorted(tmp_path.iterdir())[-1]
    data = bytearray(last.read_bytes())
    data[len(data) // 2] ^= 0xFF
    content = {
        "short": bytes(data[:-30]),
        "empty": b"",
        "flipped": bytes(data),
        "text": b"no checkpoint",
    }
    last.write_bytes(content[damage])
    assert_same(keeper(tmp_path).load(), state(1))
    assert f"{last}: damaged" in capsys.readouterr().err


def test_after_a_damaged_one_the_next_gets_a_new_name(tmp_path: Path) -> None:
    keeper(tmp_path).save(state(1))
    keeper(tmp_path).save(state(2))
    sorted(tmp_path.iterdir())[-1].write_bytes(b"")
    keeper(tmp_path).save(state(3))
    assert_same(keeper(tmp_path).load(), state(3))


def test_another_training_is_refused_or_begun_anew(tmp_path: Path) -> None:
    keeper(tmp_path).save(state(1))
    other = keeper(tmp_path, **{"--seed": "1"})
    with pytest.raises(UserError, match="--seed 0, not 1.*--overwrite true"):
        other.load()
    assert other.load(anew=True) is None
    assert not tmp_path.exists() or not list(tmp_path.iterdir())


def test_a_full_disk_is_told_once_and_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    kept = keeper(tmp_path)
    kept.save(state(1))

    def full(*args: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoints.np, "savez", full)
    kept.save(state(2))
    kept.save(state(3))
    told = capsys.readouterr().err
    assert told.count("No space left on device") == 1 and "continues" in told
    assert_same(keeper(tmp_path).load(), state(1))
    assert [file.suffix for file in tmp_path.iterdir()] == [".npz"]


def test_steps_and_seconds_say_when_it_is_time(tmp_path: Path, monkeypatch) -> None:
    now = [100.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    by_steps = Checkpoints(tmp_path, CheckpointSettings(10, 0), {})
    assert [by_steps.due(4) for _ in range(3)] == [False, False, True]
    by_steps.save(state(0))
    assert not by_steps.due(4)
    now[0] += 1e6
    assert not by_steps.due(4)
    by_time = Checkpoints(tmp_path, CheckpointSettings(0, 60), {})
    assert not by_time.due(1000)
    now[0] += 61
    assert by_time.due(1)


def test_only_the_chief_writes(tmp_path: Path) -> None:
    other = Checkpoints(tmp_path / "c", CheckpointSettings(), {}, writes=False)
    other.save(state(0))
    assert not (tmp_path / "c").exists()
