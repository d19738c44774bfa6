"""Workers that share a study: the last to end finds all, and what failed is known."""

import json
import math
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.config.study import StudySettings
from tfpipeline.core import hardware
from tfpipeline.core.errors import UserError
from tfpipeline.study.pairs import Study

WORDS = ["demo", "demo:none", "MobileNet:0.25", "MobileNet:0.25:none"]


class Canned(Study):
    """Pairs that cost nothing; something may happen in the middle of one."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.during: Callable[[str], object] = lambda word: None
        self.computed: list[str] = []
        self.order: list[tuple[str, str]] = []

    def _open_source(self, name: str) -> tuple[Any, ...]:
        if name == "nowhere":
            raise UserError("nowhere: no such folder.")
        about = {"labels": ["a"], "label": np.array([0]), "weight": ()}
        source = SimpleNamespace(**about, target="single", values=None)
        return (SimpleNamespace(keys=[name], split=np.array(["train"]), source=source),)

    def _milliseconds(self, word: str) -> float:
        return 1.0

    def _pair(self, name: str, word: str) -> dict[str, Any]:
        self.during(word)
        self.computed.append(word)
        self.order.append((name, word))
        return {"rows": [{"method": "probe"}], "pair": {"classes": 1}}


@pytest.fixture
def worker(tmp_path: Path) -> Callable[..., Canned]:
    """Start one of the workers of a study."""
    settings = StudySettings(backbones=WORDS, output="study", workers=2)

    def start(index: int, **more: Any) -> Canned:
        own = replace(settings, index=index, **more)
        return Canned(own, tmp_path, tf.distribute.get_strategy())

    return start


def known(study: Study) -> dict[str, str]:
    """Return `done`, or what was wrong, of every pair that a worker knows."""
    return dict(_known(study))


def _known(study: Study) -> Iterator[tuple[str, str]]:
    for found in study.results():
        pair = found.get("pair", found)
        yield pair["backbone"], found.get("error", "done")


def fail(word: str) -> None:
    raise ValueError(f"{word} is broken")


def test_the_last_worker_to_end_finds_what_appeared_meanwhile(worker) -> None:
    slow, quick = worker(0), worker(1)
    seen: dict[str, str] = {}
    # The other one starts and ends while this one computes its last pair.
    slow.during = lambda word: seen.update(known(quick)) if word == WORDS[2] else None
    assert list(known(slow)) == WORDS, "in the order of the study"
    assert list(seen) == [WORDS[0], WORDS[1], WORDS[3]]
    assert (slow.computed, quick.computed) == (WORDS[::2], WORDS[1::2])


def test_however_two_workers_interleave_one_of_them_finds_all(worker) -> None:
    for seed in range(20):
        together = threading.Barrier(2)
        workers = [worker(index, seed=seed) for index in range(2)]
        found: dict[int, dict[str, str]] = {}

        def work(index: int) -> None:
            workers[index].during = lambda word: together.wait(30)
            found[index] = known(workers[index])

        threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert {*found[0].values(), *found[1].values()} == {"done"}
        assert max(map(len, found.values())) == len(WORDS)


def test_what_failed_at_a_worker_is_told_by_the_others_and_tried_again(
    worker, capsys
) -> None:
    first = worker(1)
    first.during = lambda word: fail(word) if word == WORDS[1] else None
    told = f"ValueError: {WORDS[1]} is broken"
    assert known(first) == {WORDS[1]: told, WORDS[3]: "done"}
    assert f"demo, {WORDS[1]}: {told}" in capsys.readouterr().err
    assert known(worker(0)) == {w: "done" for w in WORDS} | {WORDS[1]: told}
    again = worker(1)
    assert known(again) == {w: "done" for w in WORDS}
    assert again.computed == [WORDS[1]]
    assert known(worker(0)) == {w: "done" for w in WORDS}


def test_a_failure_counts_in_its_own_study_only_and_until_it_is_tried_again(
    worker,
) -> None:
    broken = worker(1)
    broken.during = fail
    assert set(known(broken)) == {WORDS[1], WORDS[3]}
    assert set(known(worker(0, output="another"))) == {WORDS[0], WORDS[2]}
    tried = worker(1)

    def interrupt(word: str) -> None:
        raise KeyboardInterrupt

    tried.during = interrupt
    with pytest.raises(KeyboardInterrupt):
        known(tried)
    assert set(known(worker(0))) == {WORDS[0], WORDS[2]}, "not told as failed"
    alone = worker(0, workers=1)
    assert known(alone) == {w: "done" for w in WORDS}
    assert alone.computed == WORDS[1::2]


def test_a_source_that_cannot_be_opened_fails_for_every_worker(worker) -> None:
    for index in range(2):
        found = known(worker(index, sources=["nowhere"]))
        assert found == {w: "nowhere: no such folder." for w in WORDS}


def test_accuracy_on_no_images_is_no_number_when_it_is_read_again(worker) -> None:
    class Unmeasured(Canned):
        def _pair(self, name: str, word: str) -> dict[str, Any]:
            row = {"method": "probe", "accuracy": math.nan, "seed": 0}
            return {"rows": [row], "pair": {"classes": 1}}

    first = worker(0, workers=1)
    told = [
        found["rows"][0]["accuracy"]
        for study in (Unmeasured(first.settings, first.cache, first.strategy), first)
        for found in study.results()
    ]
    assert first.computed == [] and len(told) == 2 * len(WORDS)
    assert all(map(math.isnan, told))


def test_a_damaged_pair_is_computed_again(worker, tmp_path: Path) -> None:
    known(worker(0, workers=1))
    files = sorted((tmp_path / "study").iterdir())
    assert len(files) == len(WORDS)
    for file, text in zip(files, ["", "[1, 2]", '{"rows": 3, "pair": {}}', "null"]):
        file.write_text(text)
    again = worker(0, workers=1)
    assert known(again) == {w: "done" for w in WORDS}
    assert sorted(again.computed) == sorted(WORDS)


def test_networks_come_one_after_the_other_each_with_all_its_sources(worker) -> None:
    study = worker(0, workers=1, sources=["a", "b", "c"], backbones=WORDS[:2])
    told = [
        (found["pair"]["source"], found["pair"]["backbone"])
        for found in study.results()
    ]
    assert told == study.pairs, "still told source by source"
    assert study.order == [(name, word) for word in WORDS[:2] for name in "abc"]


def test_a_network_is_gone_when_the_next_one_is_opened(tmp_path: Path) -> None:
    study = Study(StudySettings(), tmp_path, tf.distribute.get_strategy())
    gone = []
    for word in ("PlainCNN@32", "PlainCNN@40", "PlainCNN@48"):
        network = study.network(word)
        assert study.network(word) is network, "opened once"
        assert [one() for one in gone] == [None] * len(gone)
        gone += [weakref.ref(network.backbone), weakref.ref(network.predictor)]
        del network


def test_a_pair_says_how_fast_the_network_is_on_this_machine_whoever_computed_it(
    worker, monkeypatch
) -> None:
    first = worker(0, workers=1, backbones=["PlainCNN@32"])
    monkeypatch.setattr(Canned, "_milliseconds", Study._milliseconds)
    (here,) = first.results()
    about = hardware.about()
    monkeypatch.setattr(hardware, "about", lambda: about | {"processor": "another"})
    again = worker(0, workers=1, backbones=["PlainCNN@32"])
    (there,) = again.results()
    assert first.computed and not again.computed, "the pair itself is kept"
    assert again.speeds.place["processor"] == "another"
    files = sorted(again.speeds.folder.glob("*.speed.json"))
    kept = {
        told["place"]["processor"]: round(told["milliseconds"], 3)
        for told in (json.loads(file.read_text()) for file in files)
    }
    assert kept == {
        str(about["processor"]): here["pair"]["milliseconds"],
        "another": there["pair"]["milliseconds"],
    }
