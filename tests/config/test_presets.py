"""A preset stands below files and flags, and what it set is kept with a run."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tfpipeline import cli
from tfpipeline.cli import from_python, words
from tfpipeline.config import ModelSettings, RunSettings
from tfpipeline.config.presets import OF_BACKBONE, PRESETS, describe
from tfpipeline.core.errors import UserError

DEFAULTS = from_python.flat(RunSettings())
KNOWN = dict(words.hints(RunSettings))
OWN = [(preset, name) for preset, own in PRESETS.items() for name in own]


def parse(*argv: str) -> RunSettings:
    return cli.parse(RunSettings, argv, prog="train", description="")


def flat(*argv: str) -> dict[str, Any]:
    return from_python.flat(parse(*argv))


def others(name: str, *taken: Any) -> list[Any]:
    """Return two values of a setting that are neither of those taken."""
    values: dict[str, list[Any]] = {
        "model.backbone": ["MobileNetV2", "VGG16", "MobileNet", "Xception"],
        "model.alpha": [None, 0.75, 0.5, 1.4],
        "data.augmentation": ["none", "light", "randaugment", "mixup"],
        "data.resize": ["squash", "crop", "pad"],
        "train.optimizer": ["adam", "sgd", "rmsprop", "adamw"],
        "train.schedule": ["constant", "exponential", "one_cycle", "cosine"],
        "fine_tune.unfreeze": ["0.3", "block_13", "all"],
    }
    whole = KNOWN[name] in (int, int | None)
    numbers = [0, 1, 2, 3] if whole else [0.5, 0.25, 0.125]
    return [v for v in values.get(name, numbers) if v not in taken]


@pytest.mark.parametrize(("preset", "name"), OWN)
def test_flags_win_over_the_file_and_that_over_the_preset(
    preset: str, name: str, tmp_path: Path
) -> None:
    own = PRESETS[preset][name]
    *_, in_file = others(name, own)
    as_flag, *_ = others(name, own, in_file)
    file = tmp_path / "c.yaml"
    section, _, last = name.partition(".")
    content = {"preset": preset, section: {last: in_file}}
    file.write_text(yaml.safe_dump(content))
    flag = f"--{name}={'null' if as_flag is None else as_flag}"
    by = {
        "preset": flat("--preset", preset),
        "file": flat("--config", str(file)),
        "flag": flat("--config", str(file), flag),
    }
    assert [found[name] for found in by.values()] == [own, in_file, as_flag]
    # In whatever order: what wins is not what comes last.
    assert flat(flag, "--preset", preset, "--config", str(file)) == by["flag"]
    for found in by.values():
        left = {n: v for n, v in PRESETS[preset].items() if n != name}
        if found["model.backbone"] != PRESETS[preset]["model.backbone"]:
            left = {n: v for n, v in left.items() if n not in OF_BACKBONE}
        assert found == DEFAULTS | left | {"preset": preset, name: found[name]}


@pytest.mark.parametrize("preset", PRESETS)
def test_every_setting_of_a_preset_is_one_and_as_its_kind_is_written(
    preset: str,
) -> None:
    own = PRESETS[preset]
    assert own.keys() <= KNOWN.keys() and "model.backbone" in own
    given = [f"--{name}={value}" for name, value in own.items()]
    by_flags = from_python.flat(parse(*given))
    assert repr(by_flags | {"preset": preset}) == repr(flat("--preset", preset))
    assert by_flags != DEFAULTS
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text()
    (row,) = (li for li in page.splitlines() if li.startswith(f"| `{preset}` | "))
    assert re.findall("`--([^` ]+ [^`]+)`", row) == [f"{n} {v}" for n, v in own.items()]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("back", [False, True])
def test_a_config_that_is_kept_gives_the_same_settings_again(
    preset: str, back: bool, tmp_path: Path
) -> None:
    # Set back to a default, too: that is not what the preset says.
    flags = [
        f"--{name}={'null' if DEFAULTS[name] is None else DEFAULTS[name]}"
        for name in PRESETS[preset]
    ]
    given = parse("--preset", preset, *flags * back)
    file = tmp_path / "config.yaml"
    file.write_text(cli.dump(given))
    assert repr(cli.of_run(file)) == repr(given) and given.preset == preset
    assert repr(from_python.read("train", RunSettings, given, {})[0]) == repr(given)
    # It names every setting, and so leaves none to a preset.
    other = next(name for name in PRESETS if name != preset)
    renamed = parse("--config", str(file), "--preset", other)
    assert renamed == dataclasses.replace(given, preset=other)


@pytest.mark.parametrize("preset", PRESETS)
def test_python_takes_a_preset_as_the_command_does(preset: str, tmp_path: Path) -> None:
    def read(config: Any = None, **given: Any) -> RunSettings:
        return from_python.read("train", RunSettings, config, given)[0]

    file = tmp_path / "c.yaml"
    file.write_text(f"preset: {preset}\n")
    expected = parse("--preset", preset, "--seed", "3")
    for config in ({"preset": preset}, file, str(file)):
        assert read(config, seed=3) == expected
    assert read(preset=preset, seed=3) == expected
    # A dataclass has every setting.
    whole = RunSettings(preset=preset, model=ModelSettings(dropout=0.3))
    assert read(whole) == whole


def test_an_unknown_preset_is_refused_with_the_nearest(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("preset: fst\n")
    for argv in (["--preset=fst"], ["--config", str(file)]):
        with pytest.raises(UserError, match="--preset 'fst'.*'fast'"):
            parse(*argv)
    assert parse("--config", str(file), "--preset", "null") == RunSettings()


@pytest.mark.parametrize(("preset", "name"), OWN)
def test_the_line_names_what_a_preset_sets_and_what_not(preset: str, name: str) -> None:
    own, value = PRESETS[preset], others(name, PRESETS[preset][name])[0]
    whole = describe(preset, DEFAULTS | own)
    assert all(f"{key} {own[key]}" in whole for key in own) and "\n" not in whole
    part = describe(preset, DEFAULTS | own | {name: value})
    assert part.index("overridden") < part.index(f"{name} {value}")
    assert f"{name} {own[name]}" not in part.partition("overridden")[0]
