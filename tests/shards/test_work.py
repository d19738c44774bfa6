"""A shard has the same bytes whoever computes it, when, and however often."""

import hashlib
import itertools
import random
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import fault_injection
from tests.shards.test_plan import WHAT, pictures
from tfpipeline.config.embed import EmbedSettings
from tfpipeline.core import hardware, image_formats, stores
from tfpipeline.core.errors import TemporaryError, UserError
from tfpipeline.data.sources.pictures import Picture
from tfpipeline.shards import plan as plans
from tfpipeline.shards import work


def content(shard: list[Picture]) -> work.Content:
    """Return what depends on the paths alone; every fifth has no answer."""
    paths = [Path(picture.path) for picture in shard]
    digests = [hashlib.sha256(path.name.encode()).digest() for path in paths]
    bad = [int(path.stem) % 5 == 0 for path in paths]
    good = [d for d, is_bad in zip(digests, bad) if not is_bad]
    vectors = np.array([[*d[:3]] for d in good], np.float32).reshape(-1, 3)
    places = itertools.count()
    rows = [(p.name, "" if is_bad else next(places)) for p, is_bad in zip(paths, bad)]
    return work.Content(("id", "row"), rows, sum(bad), vectors)


def settle(folder: Path, count: int = 17, size: int = 3) -> plans.Plan:
    if not (folder / "in").exists():
        pictures(folder / "in", count)
    return plans.settle(folder / "out", [str(folder / "in")], size, WHAT)


def files(folder: Path) -> dict[str, bytes]:
    every = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in every}


@pytest.mark.parametrize("seed", range(5))
def test_shares_in_any_order_and_any_number_of_times_give_the_same_bytes(
    tmp_path: Path, seed: int
) -> None:
    draw = random.Random(seed)
    plan = settle(tmp_path)
    work.compute_all(plan, content)
    expected = files(plan.folder)
    shutil.rmtree(plan.folder)
    plan = settle(tmp_path)
    count = draw.randint(2, 9)
    shares = [*range(count)] * 2
    draw.shuffle(shares)
    for share in shares:
        work.compute_all(plan, content, (share, count))
    assert files(plan.folder) == expected


def test_each_shard_is_computed_once_by_processes_at_the_same_shares(
    tmp_path: Path,
) -> None:
    plan = settle(tmp_path, 40, 2)
    computed: list[str] = []

    def compute(shard: list[Picture]) -> work.Content:
        computed.extend(Path(picture.path).name for picture in shard)
        return content(shard)

    threads = [
        threading.Thread(target=work.compute_all, args=(plan, compute))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(computed) == 40 == len(set(computed))
    assert work.summary(plan)["missing"] == []


@pytest.mark.parametrize("power_cut", [False, True])
def test_wherever_it_is_killed_the_same_command_gives_the_same_bytes(
    memory_path: Path, power_cut: bool
) -> None:
    plan = settle(memory_path, 7)
    with fault_injection.watched(
        plan.folder, memory_path / "kept", power_cut=power_cut
    ) as moments:
        work.compute_all(plan, content)
    expected = {k: v for k, v in files(plan.folder).items() if not _is_left(k)}
    for moment in moments:
        # What says that a shard is whole never comes before it is.
        for done in work.finished(plan):
            for ending, digest in done["sha256"].items():
                data = plan.file(done["shard"], ending).read_bytes()
                assert hashlib.sha256(data).hexdigest() == digest, moment
        again = settle(memory_path)
        work.compute_all(again, content)
        now = {k: v for k, v in files(plan.folder).items() if not _is_left(k)}
        assert now == expected, moment
    assert len(moments.states) > 20


def _is_left(name: str) -> bool:
    return Path(name).name.startswith(".")


def test_an_index_has_the_same_bytes_and_says_what_is_missing(tmp_path: Path) -> None:
    plan = settle(tmp_path)
    work.compute_all(plan, content, (1, 2))
    assert work.summary(plan)["missing"] == [0, 2, 4]
    work.compute_all(plan, content, (0, 2))
    every = work.summary(plan)
    assert every == {"images": 17, "errors": 4, "shards": 6, "missing": []}
    work.write_index(plan, list(work.finished(plan)))
    first = (plan.folder / plans.INDEX).read_bytes()
    work.write_index(plan, list(work.finished(plan)))
    assert (plan.folder / plans.INDEX).read_bytes() == first


@pytest.mark.parametrize(
    ("part", "parts", "environment", "expected"),
    [
        ("0", 0, {}, (0, 1)),
        ("3", 4, {}, (3, 4)),
        ("auto", 7, {"JOB_COMPLETION_INDEX": "6"}, (6, 7)),
        (
            *("auto", 0),
            {
                "SLURM_ARRAY_TASK_ID": "12",
                "SLURM_ARRAY_TASK_MIN": "10",
                "SLURM_ARRAY_TASK_COUNT": "4",
            },
            (2, 4),
        ),
        (
            *("auto", 0),
            {
                "SLURM_ARRAY_TASK_ID": "16",
                "SLURM_ARRAY_TASK_MIN": "10",
                "SLURM_ARRAY_TASK_STEP": "3",
                "SLURM_ARRAY_TASK_COUNT": "4",
            },
            (2, 4),
        ),
        (
            *("auto", 0),
            {"AWS_BATCH_JOB_ARRAY_INDEX": "1", "AWS_BATCH_JOB_ARRAY_SIZE": "2"},
            (1, 2),
        ),
    ],
)
def test_a_share_is_named_or_comes_from_the_scheduler(
    part: str, parts: int, environment: dict[str, str], expected: tuple[int, int]
) -> None:
    assert work.share(part, parts, environment) == expected


@pytest.mark.parametrize(
    ("part", "parts", "environment"),
    [
        *[("4", 4, {}), ("-1", 4, {}), ("1", 0, {}), ("x", 4, {}), ("auto", 4, {})],
        ("auto", 0, {"JOB_COMPLETION_INDEX": "0"}),
        ("auto", 2, {"JOB_COMPLETION_INDEX": "2"}),
        ("auto", 2, {"JOB_COMPLETION_INDEX": "first"}),
    ],
)
def test_a_share_that_there_is_not_is_refused(
    part: str, parts: int, environment: dict[str, str]
) -> None:
    with pytest.raises(UserError, match="--part"):
        work.share(part, parts, environment)


def test_no_shard_of_a_plan_that_was_replaced_is_written_or_counted(
    tmp_path: Path,
) -> None:
    old = settle(tmp_path)
    words = old.request["images"]
    newer: list[plans.Plan] = []

    def replaced(shard: list[Picture]) -> work.Content:
        what = {**WHAT, "width": 4}
        newer.append(plans.settle(old.folder, words, 3, what, overwrite=True))
        return content(shard)

    work.compute_one(old, 1, content, waits=False)
    written = {e: old.file(1, e).read_bytes() for e in ("csv", "npy", "done.json")}
    with pytest.raises(UserError, match="replaced"):
        work.compute_one(old, 0, replaced, waits=False)
    new = newer[0]
    assert not old.done(0).exists() and not old.file(0, "csv").exists()
    # A shard of the old one, written at the last moment all the same.
    for ending, data in written.items():
        new.file(1, ending).write_bytes(data)
    assert work.summary(new)["missing"] == [*range(6)]
    work.compute_all(new, content)
    assert work.summary(new)["missing"] == []


def test_what_blocks_inside_a_computation_is_not_taken_for_a_lock(
    tmp_path: Path,
) -> None:
    def blocked(_: list[Picture]) -> work.Content:
        raise BlockingIOError("a pipe is full")

    with pytest.raises(BlockingIOError, match="a pipe is full"):
        work.compute_all(settle(tmp_path), blocked)


def test_shards_behind_a_url_have_the_bytes_of_local_ones_and_resume(
    far: str, tmp_path: Path
) -> None:
    local = settle(tmp_path)
    work.compute_all(local, content)
    work.end(local)
    folder = stores.Place(far)
    plan = plans.settle(folder, local.request["images"], 3, WHAT)
    work.compute_all(plan, content, (1, 2))
    assert work.end(plan)["missing"] == [0, 2, 4]
    computed: list[Picture] = []

    def compute(shard: list[Picture]) -> work.Content:
        computed.extend(shard)
        return content(shard)

    # A shard whose last file is missing is computed again.
    stores.remove([plan.done(1)])
    work.compute_all(plans.settle(folder, plan.request["images"], 3, WHAT), compute)
    assert len(computed) == 12
    assert work.end(plan)["missing"] == []
    for name, data in files(tmp_path / "out").items():
        file = folder
        for part in Path(name).parts:
            file = file / part
        assert file.read_bytes() == data, name


def test_a_picture_for_which_there_is_no_memory_now_is_not_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("L", (64, 64)).save(tmp_path / "large.png")
    with Image.open(tmp_path / "large.png") as picture, monkeypatch.context() as patch:
        patch.setattr(hardware, "free", lambda: 0)
        with pytest.raises(image_formats.ImageError) as refused:
            with image_formats.decoded_alone(picture):
                pass

    def compute(shard: list[Picture]) -> work.Content:
        rows = [(p.id, str(refused.value) if p in large else "") for p in shard]
        return work.Content(("id", "error"), rows, 0)

    plan = settle(tmp_path)
    large = plan.pictures(1)[:1]
    with pytest.raises(TemporaryError, match=Path(large[0].path).name):
        work.compute_all(plan, compute)
    assert work.summary(plan)["missing"] == [1]
    large = []
    work.compute_all(plan, compute)
    assert work.summary(plan)["missing"] == []


def test_several_processes_share_no_memory(tmp_path: Path) -> None:
    given = EmbedSettings(output="memory://far", workers=2)
    with pytest.raises(UserError, match="--workers"):
        work.check(given)


def test_numbers_are_told_as_ranges() -> None:
    assert work.numbers_in_words([0, 1, 2, 5, 7, 8]) == "0-2, 5, 7-8"
    assert work.numbers_in_words([]) == ""


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"images": 2}', "\x00\xff"])
def test_a_shard_whose_last_file_is_torn_is_missing(tmp_path: Path, text: str) -> None:
    plan = settle(tmp_path)
    work.compute_all(plan, content)
    before = files(plan.folder)
    (plan.folder / "shard-000001.done.json").write_text(text, "latin-1")
    assert work.summary(plan)["missing"] == [1]
    work.compute_all(plan, content)
    assert files(plan.folder) == before
