"""A version of the embedded default, exported once for all tests of this folder."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import Trained
from tfpipeline import cli
from tfpipeline.config_serving import ExportSettings
from tfpipeline.demo import world
from tfpipeline.export import export


@dataclass(frozen=True)
class Exported:
    """The folder above the versions, of which there are two, and some pictures."""

    base: Path
    pictures: list[Path]

    @property
    def contents(self) -> list[bytes]:
        return [path.read_bytes() for path in self.pictures]


@pytest.fixture(scope="session")
def exported(demo_run: Trained, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("served")
    argv = ["--run", str(demo_run.path), "--output", str(folder / "base")]
    argv += ["--parity_images", "20", "--batch_sizes", "[1, 4]"]
    assert cli.main(export, ExportSettings, argv) == 0
    # The second names fewer classes, so that its answers are told from the first's.
    assert cli.main(export, ExportSettings, [*argv, "--top_k", "2"]) == 0
    world.write_folder(folder / "new", ["rocket", "teapot"], 3, seed=77)
    return Exported(folder / "base", sorted((folder / "new").rglob("*.png")))
