"""A study pair by pair: features of a source under a network, and what they give."""

import functools
import gc
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfpipeline.config import DataSettings, RunSettings, with_source
from tfpipeline.config.study import StudySettings
from tfpipeline.core import console, file_io
from tfpipeline.core.errors import UserError, check_each
from tfpipeline.data import dataset
from tfpipeline.data.dataset import Examples
from tfpipeline.data.sources import drawn_world
from tfpipeline.models import backbones
from tfpipeline.study import from_scratch, method_rows, pair_cache, transferability
from tfpipeline.study.features import Features
from tfpipeline.study.from_scratch import SCRATCH
from tfpipeline.study.heads import pca, search, space
from tfpipeline.study.networks import StudyNetwork, open_network, read_word
from tfpipeline.study.pair_cache import PairFiles
from tfpipeline.study.shot_counts import read_shots
from tfpipeline.study.speeds import BATCH, Speeds, read_kept


def check(settings: StudySettings) -> None:
    """Refuse what cannot be studied, before any work is done.

    Args:
        settings: Of the command.

    Raises:
        UserError: A number out of range, or a word that means nothing.
    """
    expected = {
        "sources": ("at least one source", bool(settings.sources)),
        "backbones": (
            "at least one network",
            bool(settings.backbones) or settings.scratch,
        ),
        "seeds": ("at least 1", settings.seeds >= 1),
        "heads": ("at least 1", settings.heads >= 1),
        "neighbours": ("at least 1", settings.neighbours >= 1),
        "scratch_epochs": ("at least 1", settings.scratch_epochs >= 1),
        "workers": ("at least 1", settings.workers >= 1),
        "index": ("from 0 to below workers", 0 <= settings.index < settings.workers),
    }
    check_each("", settings, expected)
    read_shots(settings.shots)
    for word in settings.backbones:
        read_word(word)


@dataclass
class Study:
    """What all pairs of a study share; opened when the first of them needs it.

    Args:
        settings: Of the command.
        cache: What all commands share; pairs that are done lie in it.
        strategy: Where features are computed.
    """

    settings: StudySettings
    cache: Path
    strategy: tf.distribute.Strategy

    def __post_init__(self) -> None:
        """Open each source once."""
        self.opened = functools.cache(self._open_source)
        own = self.settings
        self.files = PairFiles(own, self.cache)
        self.features = Features(own.data, own.seed, self.cache, self.strategy)
        self.speeds = Speeds(self.cache / "study", self.strategy)
        self._network: StudyNetwork | None = None

    def network(self, word: str) -> StudyNetwork:
        """Return a network; the one before is dropped, since there may be dozens.

        Args:
            word: As for `read_word`.
        """
        if self._network is None or self._network.word != word:
            self._network = None
            # Models and their graphs hold each other, and are rarely looked for.
            gc.collect()
            own = self.settings
            self._network = open_network(word, self.strategy, own.seed, self.speeds)
        return self._network

    @property
    def words(self) -> list[str]:
        """Every network, once."""
        words = list(dict.fromkeys(self.settings.backbones))
        return words + ([SCRATCH] if self.settings.scratch else [])

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Every source with every network, source by source."""
        return [
            (s, w) for s in dict.fromkeys(self.settings.sources) for w in self.words
        ]

    @property
    def seeds(self) -> range:
        """The seeds of the repetitions."""
        return range(self.settings.seed, self.settings.seed + self.settings.seeds)

    def results(self) -> Iterator[dict[str, Any]]:
        """Yield the result of each pair, done before or now; an error is one too.

        Pairs of other workers are looked for at the end: each worker has left its own
        by then, so whichever ends last finds all of them.
        """
        shared, index = self.settings.workers, self.settings.index
        mine = [pair for n, pair in enumerate(self.pairs) if n % shared == index]
        for pair in mine:
            self.files.forget_failure(*pair)
        # Network by network, so that each is opened once and only one is there at a
        # time.
        mine.sort(key=lambda pair: self.words.index(pair[1]))
        results = {pair: self._tried(*pair) for pair in mine}
        for name, word in self.pairs:
            found = results.get((name, word)) or self._left(name, word)
            about = {"source": name, "backbone": word}
            if "error" in found:
                yield {**about, **found}
            elif found:
                rows = [{**about, **row} for row in found["rows"]]
                yield {**found, "rows": rows, "pair": {**about, **found["pair"]}}

    def _tried(self, name: str, word: str) -> dict[str, Any]:
        """Return a pair, or what was wrong with it, and leave either for the others."""
        try:
            file = self.files.done(word, self.opened(name))
            if (kept := pair_cache.read(file)) is not None:
                return self._with_cost(word, kept)
            number = self.pairs.index((name, word)) + 1
            console.note(f"[{number}/{len(self.pairs)}] {name}, {word}")
            started = time.perf_counter()
            found = self._scratch(name) if word == SCRATCH else self._pair(name, word)
            found["pair"]["seconds"] = round(time.perf_counter() - started, 3)
            file_io.write_json(file, found)
            return self._with_cost(word, found)
        except Exception as error:  # Whatever it is, the other pairs are sound.
            told = _said(name, word, error)
            self.files.leave_failure(name, word, told)
            return {"error": told}

    def _left(self, name: str, word: str) -> dict[str, Any]:
        """Return what another worker has left of a pair; nothing if it has not yet."""
        try:
            kept = pair_cache.read(self.files.done(word, self.opened(name)))
            if kept is not None:
                return self._with_cost(word, kept)
        except Exception as error:  # As above.
            return {"error": _said(name, word, error)}
        return self.files.failure(name, word)

    def _with_cost(self, word: str, found: dict[str, Any]) -> dict[str, Any]:
        """Return a pair with what an image takes here, wherever it was computed."""
        took = self._milliseconds(from_scratch.BACKBONE if word == SCRATCH else word)
        return {**found, "pair": {**found["pair"], "milliseconds": round(took, 3)}}

    def _milliseconds(self, word: str) -> float:
        """Return what an image takes under a network, timed before or now."""
        own = read_word(word)
        known = self.speeds.known(own)
        if known is not None:
            return known
        try:
            return self.network(word).milliseconds
        except UserError:
            # Its weights are not here, and do not matter.
            alpha = "" if own.alpha is None else f":{own.alpha:g}"
            bare = f"{own.backbone}{alpha}:none@{own.image_size}"
            return self.network(bare).milliseconds

    def trained(self, name: str, settings: RunSettings) -> dict[str, Any] | None:
        """Return what `train` reaches with settings that a study recommends.

        Args:
            name: Of the source.
            settings: What the command is told.

        Returns:
            `accuracy` and `n` on the test images; None where it failed, which is said,
            or where there are none.
        """
        try:
            file = self.files.trained(settings, self.opened(name)[0])
            if not (kept := read_kept(file)):
                _, found = from_scratch.run(settings, self.strategy, self.cache)
                kept = {key: found["test"][key] for key in ("accuracy", "n")}
                file_io.write_json(file, kept)
            return kept if kept["n"] else None
        except Exception as error:  # The study itself is sound.
            _said(name, "the recommended command", error)
            return None

    def _data(self, name: str) -> DataSettings:
        return with_source(self.settings.data, name)

    def _open_source(self, name: str) -> tuple[Examples, ...]:
        """Return the examples of a source, split anew for each seed."""
        data = self._data(name)
        draw = drawn_world.drawer(data)
        return tuple(
            dataset.prepare(data, seed, self.cache, draw) for seed in self.seeds
        )

    def _scratch(self, name: str) -> dict[str, Any]:
        rows, costs = from_scratch.train(
            self._data(name),
            self.seeds,
            self.settings.scratch_epochs,
            self.strategy,
            self.cache,
        )
        return {"rows": rows, "pair": {**_about(self.opened(name)), **costs}}

    def _pair(self, name: str, word: str) -> dict[str, Any]:
        opened, network = self.opened(name), self.network(word)
        examples = opened[0]
        if network.untrained:
            some = self.features.some_images(network, examples, BATCH)
            backbones.calibrate(network.backbone, some, network.mode)
        vectors = self.features.of(network, opened)
        classes = len(examples.source.labels)
        x, y = vectors.of(examples, "train")
        drawn = space.draw_heads(self.settings.heads, self.settings.seed)
        count = pca.count_for(len(y), vectors.width)
        program = search.Program(drawn, count, classes)
        rows = [
            row
            for seed, own in zip(self.seeds, opened)
            for row in method_rows.rows(vectors, own, seed, program, self.settings)
        ]
        distance = self.features.statistics_distance(network, examples)
        pair = {
            **_about(opened),
            **network.costs(),
            "width": vectors.width,
            "untrained": network.untrained,
            "logme": transferability.logme(x, y, classes),
            "statistics_distance": distance,
            "kernel_distance": self.features.kernel_distance(
                network, vectors, examples
            ),
        }
        return {"rows": rows, "pair": pair}


def _about(opened: Sequence[Examples]) -> dict[str, Any]:
    first = opened[0]
    return {
        "images": len(first.source),
        "classes": len(first.source.labels),
        "test_images": len(first.of("test")),
        # Other splits divide other copies.
        "leaks": max(examples.leaks() for examples in opened),
    }


def _said(name: str, word: str, error: Exception) -> str:
    """Say what was wrong with a pair, and return it."""
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
    console.warn(f"{name}, {word}: {kind}{first}")
    return f"{kind}{first}"
