"""Every file in configs/ is one that its command takes, and says how it is run."""

import json
import re
from pathlib import Path

import pytest

from tfpipeline import cli
from tfpipeline.config import RunSettings
from tfpipeline.config.attack import AttackSettings
from tfpipeline.config.synthesis import SynthesizeSettings
from tfpipeline.train.command import train

COMMANDS = {
    "train": RunSettings,
    "synthesize": SynthesizeSettings,
    "attack": AttackSettings,
}
CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*.yaml"))


def test_there_are_configs() -> None:
    assert CONFIGS


@pytest.mark.parametrize("file", CONFIGS, ids=lambda f: f.stem)
def test_a_config_is_read_and_names_its_command(file: Path) -> None:
    head = [li for li in file.read_text().splitlines() if li.startswith("#")]
    command = rf"python -m tfpipeline\.(\w+) --config configs/{re.escape(file.name)}"
    found = re.search(command, "\n".join(head))
    assert found is not None and "TODO" not in file.read_text()
    settings = cli.parse(
        COMMANDS[found[1]], ["--config", str(file)], prog=found[1], description=""
    )
    assert settings != COMMANDS[found[1]]()


@pytest.mark.slow
@pytest.mark.assets
def test_few_photographs_of_37_breeds_are_enough(
    assets: Path, imagenet, tmp_path: Path
) -> None:
    """Seven a breed to learn from; docs/lesson.md has more seeds, .865 to .892."""
    file = next(file for file in CONFIGS if file.stem == "oxford_pets_few_shot")
    argv = ["--config", str(file), "--cache_dir", str(tmp_path / "cache")]
    argv += ["--data.source", str(assets / "images" / "oxford_pets")]
    assert cli.main(train, RunSettings, [*argv, "--workdir", str(tmp_path / "r")]) == 0
    metrics = json.loads((tmp_path / "r" / "metrics.json").read_text())
    assert metrics["test"]["n"] == 111 and metrics["test"]["accuracy"] >= 0.85
