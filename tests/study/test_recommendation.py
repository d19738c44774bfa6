"""The command of what is recommended says all by which the study trained it."""

import shlex

import pytest

from tfpipeline import cli
from tfpipeline.config import DataSettings, RunSettings
from tfpipeline.config.study import StudySettings
from tfpipeline.study import from_scratch, recommendation

STUDY = StudySettings(
    seed=4, scratch_epochs=7, data=DataSettings(examples_per_class=5, resize="pad")
)
HEAD = {"learning_rate": 0.0123, "weight_decay": 0.5, "dropout": 0.2}
ROWS = [
    {
        **{"source": "cats", "backbone": "demo", "method": "head", "shots": "all"},
        **{
            "trained_on": 64,
            "head": {**HEAD, "hidden": hidden, "label_smoothing": 0.1},
        },
    }
    for hidden in (0, 16, 16)
]


def read(command: str) -> RunSettings:
    """Return what `train` understands."""
    python, _, module, *words = shlex.split(command)
    assert (python, module) == ("python", "tfpipeline.train")
    return cli.parse(RunSettings, words, prog="train", description="")


@pytest.mark.parametrize("backbone", ["demo", from_scratch.SCRATCH])
@pytest.mark.parametrize("precision", ["auto", "float32"])
def test_train_understands_what_was_trained(backbone: str, precision: str) -> None:
    given = recommendation.train_settings(STUDY, "cats", backbone, ROWS, precision)
    assert read(recommendation.command(given)) == given
    assert given.train.precision == precision
    assert (given.seed, given.data.source) == (4, "cats")
    assert (given.data.examples_per_class, given.data.resize) == (5, "pad")


def test_the_head_is_the_one_that_most_seeds_chose() -> None:
    given = recommendation.train_settings(STUDY, "cats", "demo", ROWS)
    assert given.model.hidden == [16] and given.model.dropout == 0.2
    assert (given.train.learning_rate, given.train.weight_decay) == (0.012, 0.5)
    assert given.train.epochs == 75, "150 steps of 32 on 64 images"


def test_from_scratch_is_trained_as_its_rows_were() -> None:
    given = recommendation.train_settings(STUDY, "cats", from_scratch.SCRATCH, [])
    own = from_scratch.settings_for(given.data, 4, 7)
    assert (given.model, given.train) == (own.model, own.train)
    assert given.train.schedule == "cosine" and given.train.patience is None
