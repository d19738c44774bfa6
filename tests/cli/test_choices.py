"""Words that are refused at once are those that the tables behind them do not know."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tfpipeline import config
from tfpipeline.cli import choices
from tfpipeline.config.adversary import RobustSettings
from tfpipeline.config.synthesis import SynthesisSettings
from tfpipeline.core import image_io
from tfpipeline.core.errors import UserError
from tfpipeline.data import augment, dataset, pipeline
from tfpipeline.distribute import strategy
from tfpipeline.models import classifier
from tfpipeline.models.engines.names import BFLOAT16, TENSORFLOW
from tfpipeline.train import adversarial, optimizers, schedules

TABLES = {
    (config.DataSettings, "augmentation"): augment.AUGMENTATIONS,
    (config.DataSettings, "sampling"): pipeline.SAMPLINGS,
    (config.DataSettings, "resize"): image_io.RESIZES,
    (config.DataSettings, "group"): dataset.GROUPS,
    (config.ModelSettings, "pooling"): classifier.POOLINGS,
    (config.TrainSettings, "optimizer"): optimizers.OPTIMIZERS,
    (config.TrainSettings, "schedule"): schedules.SCHEDULES,
    (config.FineTuneSettings, "optimizer"): optimizers.OPTIMIZERS,
    (config.FineTuneSettings, "schedule"): schedules.SCHEDULES,
    (config.DistributeSettings, "strategy"): strategy.STRATEGIES,
    (RobustSettings, "method"): adversarial.METHODS,
}


@pytest.mark.parametrize("key", TABLES, ids=lambda key: f"{key[0].__name__}.{key[1]}")
def test_the_words_are_those_of_the_table(key: tuple[type, str]) -> None:
    assert sorted(choices.CHOICES[key[0]][key[1]]) == sorted(TABLES[key])


def test_gradients_are_computed_by_engines_that_there_are() -> None:
    for kind in (config.FineTuneSettings, SynthesisSettings):
        words = choices.CHOICES[kind]["engine"]
        assert set(words) == {"auto", TENSORFLOW, BFLOAT16}


def test_words_without_a_table_are_accepted_where_they_are_used() -> None:
    for name in ("averaging", "class_weights", "on_nan"):
        for word in choices.CHOICES[config.TrainSettings][name]:
            optimizers.check(config.TrainSettings(**{name: word}))
    (device,) = {strategy.choose(config.DistributeSettings("one_device"))}
    for word in choices.CHOICES[config.TrainSettings]["precision"]:
        assert strategy.precision(word, device)


@pytest.mark.parametrize("kind", choices.CHOICES, ids=lambda kind: kind.__name__)
def test_defaults_are_known_and_anything_else_is_named(kind: type) -> None:
    choices.check(kind(), "x.")
    for name in choices.CHOICES[kind]:
        with pytest.raises(UserError, match=f"--x.{name} 'foo'"):
            choices.check(kind(**{name: "foo"}), "x.")


@pytest.mark.parametrize(
    ("words", "near"),
    [
        ("train --model.backbone Xcpetion", "'Xception'"),
        ("attack a.png --model.backbone Xcpetion", "'Xception'"),
        ("train --data.augmentation ligt", "'light'"),
        ("train --train.precision mixed_float61", "'mixed_float16'"),
        ("train --train.epochs many", "a whole number"),
        ("train --fine_tune.optimizer adm", "'adam'"),
    ],
)
def test_a_wrong_word_is_answered_before_tensorflow_starts(
    words: str, near: str, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    verb, *argv = words.split()
    code = (
        "import runpy, sys\n"
        f"sys.argv = {['x', *argv]}\n"
        f"try: runpy.run_module('tfpipeline.{verb}', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 2\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(choices.__file__).parents[2])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and near in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
