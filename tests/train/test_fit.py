"""A stage: what is kept, when it ends, and that it can stop anywhere and go on."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.train.test_train_step import linear, some
from tfpipeline.config import CheckpointSettings
from tfpipeline.core.errors import UserError
from tfpipeline.core.signals import Stopped
from tfpipeline.train import train_step
from tfpipeline.train.checkpoints import Checkpoints, State
from tfpipeline.train.fit import Diverged, Fit
from tfpipeline.train.fit_state import Stage
from tfpipeline.train.run_writer import write_history

ONE = tf.distribute.OneDeviceStrategy("/cpu:0")
STEPS = 5


def batches(epoch: int, first: int):
    """Yield the single batches of an epoch, from a step on."""
    whole = some(STEPS, 8, epoch)
    for k in range(first, STEPS):
        part = slice(k, k + 1)
        yield train_step.Steps(
            whole.inputs[part], whole.labels[part], whole.weights[part]
        )


def stage(strategy=ONE, **changes) -> Stage:
    """Return a stage over a linear model; some changes are of the stage itself."""
    own = {k: changes.pop(k) for k in set(changes) & set(Stage.__dataclass_fields__)}
    changes = {"epochs": 4, "optimizer": "adam", **changes}
    model, trainer = linear(strategy, changes.pop("rate", 0.1), **changes)
    return Stage(
        **{
            **{"name": "head", "trainer": trainer, "settings": trainer.settings},
            **{"weights": model.weights, "steps": batches, "steps_per_epoch": STEPS},
            **own,
        }
    )


def weights(one: Stage) -> list[np.ndarray]:
    return [np.array(weight) for weight in one.weights]


def losses_of(values: list[float], seen: list | None = None, one: Stage | None = None):
    """Return a validation whose losses are given."""
    left = iter(values)

    def validate() -> dict[str, float]:
        if seen is not None:
            seen.append(None)
        return {"loss": next(left)}

    return validate


def test_the_best_epoch_is_put_back_and_patience_ends_it(strategy) -> None:
    one, seen, losses = stage(strategy, epochs=9, patience=2), [], iter([3.0, 1.0, 2.0])

    def validate() -> dict[str, float]:
        seen.append(weights(one))
        return {"loss": next(losses, 2.5)}

    object.__setattr__(one, "validate", validate)
    history: list = []
    Fit(one, None, history).run()
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    np.testing.assert_array_equal(weights(one)[0], seen[1][0])


def test_without_patience_every_epoch_runs_and_the_best_is_kept() -> None:
    one, seen, losses = stage(patience=None), [], iter([1.0, 0.5, 2.0, 3.0])

    def validate() -> dict[str, float]:
        seen.append(weights(one))
        return {"loss": next(losses)}

    object.__setattr__(one, "validate", validate)
    history: list = []
    Fit(one, None, history).run()
    assert len(history) == 4
    np.testing.assert_array_equal(weights(one)[0], seen[1][0])


def test_what_it_starts_from_is_kept_where_no_epoch_does_better() -> None:
    one = stage(keeps_start=True, validate=losses_of([1.0, 2.0, 2.0, 2.0, 2.0]))
    before = weights(one)
    Fit(one, None, []).run()
    for old, new in zip(before, weights(one)):
        np.testing.assert_array_equal(old, new)


def test_training_learns_what_can_be_learnt(strategy) -> None:
    history: list = []
    Fit(stage(strategy, epochs=20), None, history).run()
    assert history[-1]["accuracy"] > 0.75
    assert history[-1]["loss"] < history[0]["loss"]


def ending(given, stop: int):
    """Return steps of a machine that goes before so many have been given."""
    calls = []

    def steps(epoch: int, first: int):
        for part in given(epoch, first):
            if len(calls) == stop:
                raise RuntimeError("the machine is gone")
            calls.append(epoch)
            yield part

    return steps


SWITCHES = [
    {},
    {"averaging": "ema", "ema_momentum": 0.9, "clip_norm": 1.0},
    {"averaging": "swa", "swa_from": 0.25, "schedule": "one_cycle"},
    {"schedule": "plateau", "plateau_patience": 1, "rate": 3.0},
    {"schedule": "exponential", "warmup_epochs": 1.5, "weight_decay": 0.1},
]


@pytest.mark.parametrize(
    ("changes", "validated"),
    [*((c, True) for c in SWITCHES), (SWITCHES[0], False), (SWITCHES[3], False)],
)
def test_stopped_after_any_step_it_ends_as_if_nothing_had_been(
    tmp_path: Path, changes: dict, validated: bool
) -> None:
    """Bit for bit: weights, optimizer, averages, history."""

    def fresh() -> Stage:
        one = stage(**changes)
        if validated:
            object.__setattr__(
                one,
                "validate",
                lambda: {"loss": float(np.square(weights(one)[0]).sum())},
            )
        return one

    peace, expected = fresh(), []
    Fit(peace, None, expected).run()
    for stop in range(0, 4 * STEPS, 3):
        folder = tmp_path / str(stop)
        keeper = Checkpoints(folder, CheckpointSettings(1, 0), {})
        interrupted, history = fresh(), []
        object.__setattr__(interrupted, "steps", ending(interrupted.steps, stop))
        with pytest.raises(RuntimeError, match="gone"):
            Fit(interrupted, keeper, history).run()
        again, history = fresh(), []
        found = Checkpoints(folder, CheckpointSettings(1, 0), {}).load()
        fit = Fit(again, None, history)
        assert (found is None) == (stop == 0)
        if found is not None:
            fit.restore(found)
        fit.run()
        assert history == expected
        for one, two in zip(weights(again), weights(peace)):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("stop", range(3, 14))
def test_rolled_back_or_not_it_goes_on_exactly(tmp_path: Path, stop: int) -> None:
    """The second epoch diverges at its fourth step, once in a whole training."""

    def fresh(left: list[int]) -> Stage:
        return stage(steps=spoiled(1, 3, left), on_nan="roll_back")

    peace, expected = fresh([1]), []
    Fit(peace, None, expected).run()
    keeper = Checkpoints(tmp_path, CheckpointSettings(1, 0), {})
    one = fresh([1])
    object.__setattr__(one, "steps", ending(one.steps, stop))
    with pytest.raises(RuntimeError, match="gone"):
        Fit(one, keeper, []).run()
    found = keeper.load()
    assert found is not None
    # What had been rolled back when the checkpoint was written will not come again.
    again, history = fresh([1 - found.values["rate"][2]]), []
    fit = Fit(again, None, history)
    fit.restore(found)
    fit.run()
    assert history == expected
    for a, b in zip(weights(again), weights(peace)):
        np.testing.assert_array_equal(a, b)


def test_a_last_step_that_spoils_the_weights_is_noticed() -> None:
    """Its loss was looked at before it was made."""
    one = stage(rate=1e38, optimizer="sgd", epochs=1, steps_per_epoch=1)
    big = some(1, 8)
    big.inputs[:] *= 1e10
    object.__setattr__(one, "steps", lambda epoch, first: [big])
    with pytest.raises(Diverged, match="step 1 in epoch 1"):
        Fit(one, None, []).run()


def test_early_stopping_waits_for_the_mean_to_begin() -> None:
    changes = {"averaging": "swa", "swa_from": 0.75, "patience": 1, "epochs": 8}
    one = stage(validate=losses_of([1.0] + [2.0] * 9), **changes)
    history: list = []
    Fit(one, None, history).run()
    assert len(history) == 7


def test_what_could_not_be_written_is_not_said_to_be(tmp_path: Path) -> None:
    keeper = Checkpoints(tmp_path / "file" / "c", CheckpointSettings(0, 0), {})
    (tmp_path / "file").write_text("in the way")
    one = stage()

    def steps(epoch: int, first: int):
        os.kill(os.getpid(), signal.SIGTERM)
        yield from batches(epoch, first)

    object.__setattr__(one, "steps", steps)
    with pytest.raises(Stopped) as stopped:
        Fit(one, keeper, []).run()
    assert "is written" not in str(stopped.value)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_writes_a_checkpoint_and_ends_in_words(
    tmp_path: Path, number: signal.Signals
) -> None:
    keeper = Checkpoints(tmp_path, CheckpointSettings(0, 0), {})
    one, expected = stage(), stage()
    Fit(expected, None, []).run()
    sent = []

    def steps(epoch: int, first: int):
        for k, part in enumerate(batches(epoch, first)):
            if (epoch, k) == (1, 2) and not sent:
                sent.append(os.kill(os.getpid(), number))
            yield part

    object.__setattr__(one, "steps", steps)
    with pytest.raises(Stopped, match="epoch 2, step .*resumes there") as stopped:
        Fit(one, keeper, []).run()
    assert stopped.value.number == number
    again = stage()
    fit = Fit(again, None, [])
    found = keeper.load()
    assert isinstance(found, State)
    fit.restore(found)
    fit.run()
    for a, b in zip(weights(again), weights(expected)):
        np.testing.assert_array_equal(a, b)


def spoiled(bad_epoch: int, bad_step: int, left: list[int] | None = None):
    """Return batches of which one has an example that is no number, so many times."""
    left = [10**9] if left is None else left

    def steps(epoch: int, first: int):
        for k, part in enumerate(batches(epoch, first), first):
            if (epoch, k) == (bad_epoch, bad_step) and left[0]:
                left[0] -= 1
                part.inputs[0, 0] = np.nan
            yield part

    return steps


def test_a_diverged_loss_is_told_with_step_batch_and_what_to_do(strategy) -> None:
    one = stage(
        strategy,
        steps=spoiled(1, 3),
        ids=lambda epoch, step: [f"{epoch}-{step}-{i}.jpg" for i in range(8)],
    )
    with pytest.raises(
        Diverged, match="step 4 in epoch 2.*1-3-0.jpg.* and 5 more"
    ) as e:
        Fit(one, None, []).run()
    assert e.value.ids == [f"1-3-{i}.jpg" for i in range(8)]
    assert "learning rate" in str(e.value) and isinstance(e.value, UserError)


def test_rolling_back_goes_on_at_half_the_rate(strategy) -> None:
    one = stage(strategy, steps=spoiled(1, 3, [2]), on_nan="roll_back")
    history: list = []
    Fit(one, None, history).run()
    assert [row["learning_rate"] for row in history] == pytest.approx(
        [0.1, 0.025, 0.025, 0.025]
    )
    assert all(np.isfinite(weight).all() for weight in weights(one))


def coarse(left: list[int]) -> Stage:
    """Return a stage in bfloat16 of which a batch spoils the second epoch."""
    one = stage(steps=spoiled(1, 3, left))
    one.trainer.rewrites = True
    return one


def test_what_diverges_in_bfloat16_is_repeated_in_float32(capsys) -> None:
    exact, history, one = stage(), list[dict](), coarse([1])
    Fit(exact, None, []).run()
    fit = Fit(one, None, history)
    fit.run()
    assert fit.exact_from == 2 and not one.trainer.rewrites
    assert "epoch 2 (head)" in capsys.readouterr().err
    assert [row["learning_rate"] for row in history] == pytest.approx([0.1] * 4)
    for own, other in zip(weights(one), weights(exact)):
        np.testing.assert_allclose(own, other, rtol=0.05, atol=0.02)
    # What resumes from there goes on in float32.
    again = coarse([0])
    Fit(again, None, []).restore(fit.capture())
    assert not again.trainer.rewrites


def test_what_diverges_in_float32_too_is_told() -> None:
    fit = Fit(coarse([2]), None, [])
    with pytest.raises(Diverged):
        fit.run()
    assert fit.exact_from == 2


def test_rolling_back_ends_where_it_does_not_help() -> None:
    with pytest.raises(Diverged):
        Fit(stage(steps=spoiled(0, 0), on_nan="roll_back"), None, []).run()


def test_nothing_that_has_diverged_is_written(tmp_path: Path) -> None:
    keeper = Checkpoints(tmp_path, CheckpointSettings(1, 0), {})
    with pytest.raises(Diverged):
        Fit(stage(steps=spoiled(1, 2)), keeper, []).run()
    found = keeper.load()
    assert found is not None
    assert all(np.isfinite(a).all() for some in found.arrays.values() for a in some)


def test_it_reports_before_the_first_epoch_and_after_each() -> None:
    history: list = []
    lengths: list[int] = []
    one = stage(epochs=2, report=lambda: lengths.append(len(history)))
    Fit(one, None, history).run()
    assert lengths == [0, 1, 2]


def test_the_history_is_one_table_over_all_stages(tmp_path: Path) -> None:
    history: list = []
    Fit(stage(epochs=2), None, history).run()
    Fit(
        stage(epochs=1, name="fine_tune", validate=losses_of([1.0])), None, history
    ).run()
    write_history(tmp_path / "history.csv", history)
    lines = (tmp_path / "history.csv").read_text().splitlines()
    assert lines[0] == "stage,epoch,loss,accuracy,learning_rate,val_loss"
    assert [line.split(",")[:2] for line in lines[1:]] == [
        ["head", "1"],
        ["head", "2"],
        ["fine_tune", "3"],
    ]
