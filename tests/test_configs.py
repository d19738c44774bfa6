"""Every file in configs/ is one that `train` takes, and says how it is run."""

from pathlib import Path

import pytest

from tfpipeline import cli
from tfpipeline.config import RunSettings

CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*.yaml"))


def test_there_are_configs() -> None:
    assert CONFIGS


@pytest.mark.parametrize("file", CONFIGS, ids=lambda f: f.stem)
def test_a_config_is_read_and_names_its_command(file: Path) -> None:
    settings = cli.parse(
        RunSettings, ["--config", str(file)], prog="train", description=""
    )
    assert settings.data.source
    head = [li for li in file.read_text().splitlines() if li.startswith("#")]
    assert f"python -m tfpipeline.train --config configs/{file.name}" in "\n".join(head)
