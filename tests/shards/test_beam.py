"""Apache Beam writes the bytes that one process writes."""

import logging
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("apache_beam", reason="Apache Beam is not installed: extra [beam]")

# Beam's own modules are not free of warnings.
pytestmark = pytest.mark.filterwarnings("ignore")

from tests.conftest import PLAIN, Exported, Trained  # noqa: E402
from tests.shards.test_work import content, files, settle  # noqa: E402
from tfpipeline import cli  # noqa: E402
from tfpipeline.audit.command import audit  # noqa: E402
from tfpipeline.config import AuditSettings, PredictSettings  # noqa: E402
from tfpipeline.config.beam import BeamSettings  # noqa: E402
from tfpipeline.config.embed import EmbedSettings  # noqa: E402
from tfpipeline.core.errors import TemporaryError, UserError  # noqa: E402
from tfpipeline.data.sources.pictures import Picture  # noqa: E402
from tfpipeline.embed.command import embed  # noqa: E402
from tfpipeline.predict.command import predict  # noqa: E402
from tfpipeline.shards import beam, work  # noqa: E402

TWO = "--direct_num_workers=2 --direct_running_mode=multi_processing"


def start(command: Any, settings: type, *words: object) -> int:
    return cli.main(command, settings, [*map(str, words), "--quiet"])


def only_hash(settings: object) -> work.Job:
    """Return a job without a network."""
    return work.Job({}, content)


def fails(settings: object) -> work.Job:
    """Return a job whose third shard cannot be computed."""

    def compute(shard: list[Picture]) -> work.Content:
        if Path(shard[0].path).stem == "1":
            raise UserError("the disk is gone")
        return content(shard)

    return work.Job({}, compute)


def out_of_reach(kind: type[UserError]) -> work.Job:
    """Return a job whose pictures are in a store that does not answer."""

    def compute(shard: list[Picture]) -> work.Content:
        raise kind("the store is gone")

    return work.Job({}, compute)


@pytest.fixture
def folder(exported: Exported, tmp_path: Path) -> Path:
    """Six pictures, and between them a file that is none."""
    (tmp_path / "in").mkdir()
    for number, picture in enumerate(exported.pictures):
        shutil.copy(picture, tmp_path / "in" / f"{number}.png")
    (tmp_path / "in" / "2.5.png").write_bytes(b"no picture")
    return tmp_path / "in"


@pytest.mark.parametrize("options", ["", "--direct_num_workers=3", TWO])
def test_shards_have_the_same_bytes_and_are_counted(
    tmp_path: Path, options: str
) -> None:
    plan = settle(tmp_path)
    work.compute_all(plan, content)
    expected = files(plan.folder)
    shutil.rmtree(plan.folder)
    plan = settle(tmp_path)
    settings = BeamSettings(options)
    counted = beam.run(plan, beam.Opening(only_hash, None), settings)
    assert files(plan.folder) == expected
    assert counted.pop("milliseconds") >= 0
    assert counted == {"pictures": 17, "bytes": 0, "errors": 4, "shards": 6}
    # What is there is not computed again.
    again = beam.run(plan, beam.Opening(only_hash, None), settings)
    assert set(again.values()) == {0} and files(plan.folder) == expected


def test_a_bundle_that_is_tried_again_changes_nothing(tmp_path: Path) -> None:
    import apache_beam

    plan = settle(tmp_path)
    opening = beam.Opening(only_hash, None)
    with apache_beam.Pipeline(runner=beam.RUNNER) as pipeline:
        _ = (
            pipeline
            | apache_beam.Create([0, 1, 1, 0, 2, 0])
            | apache_beam.ParDo(beam.ComputeShards(plan, opening))
        )
    before = files(plan.folder)
    assert [done["shard"] for done in work.finished(plan)] == [0, 1, 2]
    step = beam.ComputeShards(plan, opening)
    step.setup()
    assert [*step.process(1)] == [1] and files(plan.folder) == before


def test_where_a_shard_fails_the_others_stay_and_the_cause_is_told(
    tmp_path: Path,
) -> None:
    plan = settle(tmp_path)
    with pytest.raises(UserError, match="the disk is gone"):
        beam.run(plan, beam.Opening(fails, None), BeamSettings())
    assert 2 not in [done["shard"] for done in work.finished(plan)]
    beam.run(plan, beam.Opening(only_hash, None), BeamSettings())
    assert work.summary(plan)["missing"] == []


@pytest.mark.parametrize("options", ["words", "--runner='open"])
def test_what_is_no_option_is_refused(tmp_path: Path, options: str) -> None:
    with pytest.raises(UserError, match="--beam.options"):
        beam.run(settle(tmp_path), beam.Opening(only_hash, None), BeamSettings(options))


@pytest.mark.parametrize(
    "options",
    ["--direct_num_worker=2", "--runnr=FlinkRunner", "--direct_num_workers=2 --x"],
)
def test_an_option_that_beam_would_leave_out_is_refused(options: str) -> None:
    with pytest.raises(UserError, match="--beam.options.*knows"):
        beam._options(BeamSettings(options))
    # What takes the options of other runners may know more of them.
    beam._options(BeamSettings(f"--runner=FlinkRunner {options}"))


@pytest.mark.parametrize("options", ["", TWO])
@pytest.mark.parametrize("kind", [TemporaryError, work.NotNow])
def test_what_may_pass_by_itself_is_told_as_by_one_process(
    tmp_path: Path, kind: type[UserError], options: str
) -> None:
    plan = settle(tmp_path, 4, 2)
    opening = beam.Opening(out_of_reach, kind)
    with pytest.raises(TemporaryError, match="the store is gone"):
        beam.run(plan, opening, BeamSettings(options))


def test_a_process_leaves_logs_and_environment_as_they_were(tmp_path: Path) -> None:
    before = os.environ.get("PYTHONPATH"), logging.getLogger("apache_beam").level
    beam.run(settle(tmp_path), beam.Opening(only_hash, None), BeamSettings())
    assert before == (
        os.environ.get("PYTHONPATH"),
        logging.getLogger("apache_beam").level,
    )


def test_processes_of_a_machine_take_cores_of_their_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(beam.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 7, 9}, raising=False)
    assert [beam._cores_of("x", 2) for _ in range(3)] == [[3, 5], [7, 9], [3, 5]]
    assert beam._cores_of("y", 9) == [3, 5, 7, 9]


@pytest.mark.slow
@pytest.mark.parametrize("options", ["", TWO], ids=["in memory", "two processes"])
def test_features_and_predictions_are_those_of_one_process(
    options: str, small_run: Trained, folder: Path, tmp_path: Path
) -> None:
    how = ["--runner", "beam", *([f"--beam.options={options}"] if options else [])]
    for name, command, settings, words in (
        ("embed", embed, EmbedSettings, PLAIN),
        ("predict", predict, PredictSettings, ("--model", small_run.path)),
    ):
        given = [folder, *words, "--shard_images", 2, "--output"]
        assert start(command, settings, *given, tmp_path / name) == 0
        assert start(command, settings, *given, tmp_path / f"{name}2", *how) == 0
        assert files(tmp_path / name) == files(tmp_path / f"{name}2"), name


@pytest.mark.slow
@pytest.mark.parametrize("options", ["", TWO], ids=["in memory", "two processes"])
def test_an_audit_finds_what_one_process_finds(
    options: str, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "l.txt").write_text("".join(f"{f}\n" for f in folder.iterdir()))
    how = ["--runner", "beam", *([f"--beam.options={options}"] if options else [])]
    given = [tmp_path / "l.txt", "--shard_images", 2, "--output"]
    assert start(audit, AuditSettings, *given, tmp_path / "one") == 0
    assert start(audit, AuditSettings, *given, tmp_path / "beam", *how) == 0
    one, two = files(tmp_path / "one"), files(tmp_path / "beam")
    assert one == two and "statistics.json" in one
