"""What is told in Python is what the command would be told, in the same words."""

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfpipeline import cli
from tfpipeline.cli import from_python
from tfpipeline.config import DataSettings, PredictSettings, RunSettings, TrainSettings
from tfpipeline.config.attack import AttackSettings
from tfpipeline.config.serving import ExportSettings
from tfpipeline.core.errors import UserError


def read(config: Any = None, **given: Any) -> RunSettings:
    return from_python.read("train", RunSettings, config, given)[0]


def test_dotted_nested_and_keyword_settings_are_the_same() -> None:
    dotted = read({"train.epochs": 3, "data.source": "a b"})
    nested = read({"train": {"epochs": 3}, "data": {"source": "a b"}})
    keyword = read(train={"epochs": 3}, data=DataSettings(source="a b"))
    assert dotted == nested == keyword
    assert dotted.train.epochs == 3 and dotted.data.source == "a b"


def test_keywords_win_over_a_mapping_a_file_and_a_dataclass(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("seed: 1\ntrain:\n  epochs: 4\n")
    for config in (
        str(file),
        file,
        {"seed": 1, "train": {"epochs": 4}},
        RunSettings(seed=1, train=TrainSettings(epochs=4)),
    ):
        found = read(config, seed=9)
        assert (found.seed, found.train.epochs) == (9, 4)


def test_a_dataclass_is_taken_as_it_is() -> None:
    given = RunSettings(workdir="1e-3", train=TrainSettings(learning_rate="auto"))
    assert read(given) == given


def test_a_setting_that_is_one_number_or_one_for_each_name_takes_both() -> None:
    def tolerance(config: Any = None, **given: Any) -> Any:
        return from_python.read("export", ExportSettings, config, given)[0].tolerance

    assert tolerance() is None and tolerance(tolerance=0.05) == 0.05
    each = {"onnx": 1e-2, "litert_int8": 0.4}
    for config in ({"tolerance": each}, ExportSettings(tolerance=each)):
        assert tolerance(config) == each == tolerance(tolerance=each)
    with pytest.raises(UserError, match="name.x: no such setting of export"):
        tolerance({"name.x": 1})
    with pytest.raises(UserError, match="--tolerance.onnx: expected a number.*: much"):
        tolerance({"tolerance.onnx": "much"})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"train.learning_rate": 1e-5}, 1e-5),
        ({"seed": np.int64(3)}, 3),
        ({"model.hidden": [8, 4]}, [8, 4]),
        ({"workdir": Path("a") / "b"}, "a/b"),
        ({"workdir": "--x y"}, "--x y"),
        ({"data.splits": None}, None),
        ({"overwrite": True}, True),
    ],
)
def test_values_of_python_keep_their_kind(given: dict[str, Any], expected: Any) -> None:
    found: Any = read(given)
    (name,) = given
    for part in name.split("."):
        found = getattr(found, part)
    assert found == expected and isinstance(found, type(expected))


def test_words_of_a_list_may_be_one_word_paths_or_numbers() -> None:
    def images(value: Any) -> list[str]:
        given = {"images": value}
        return from_python.read("predict", PredictSettings, None, given)[0].images

    assert images("a.png") == images(Path("a.png")) == images(["a.png"]) == ["a.png"]
    assert images(["--x", "caf\udce9.png", "[dl]*"]) == [
        "--x",
        "caf\udce9.png",
        "[dl]*",
    ]
    told = {"jpeg": [], "epsilons": (0.5, "2/255"), "target": 898, "epsilon": 4 / 255}
    found = from_python.read("attack", AttackSettings, None, told)[0]
    assert found.jpeg == [] and found.epsilons == ["0.5", "2/255"]
    assert str(found.target) == "898" and float(found.epsilon) == 4 / 255


def test_the_command_says_the_same(tmp_path: Path) -> None:
    file = tmp_path / "my file.yaml"
    file.write_text("seed: 5\n")
    settings, line = from_python.read(
        "train", RunSettings, file, {"data": {"source": "a 'b'"}, "model.hidden": [8]}
    )
    words = shlex.split(line)
    assert words[:3] == ["python", "-m", "tfpipeline.train"]
    again = cli.parse(RunSettings, words[3:], prog="train", description="")
    assert again == settings and again.seed == 5


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"train.epoch": 3}, r"train\.epoch: no such setting of train.*train\.epochs"),
        ({"train": {"epochs": "ten"}}, "--train.epochs: expected a whole number"),
        ({"data": "folder"}, "data: no such setting of train"),
        ({"help": True}, "help: no such setting"),
        ({"print_config": True}, "print_config: no such setting"),
        ({"seed": None}, "--seed: expected a whole number"),
    ],
)
def test_what_cannot_be_set_is_told(given: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        read(given)


@pytest.mark.parametrize("config", [3, PredictSettings(), "nowhere.yaml"])
def test_what_is_no_config_is_told(config: Any) -> None:
    with pytest.raises(UserError, match="config"):
        read(config)
