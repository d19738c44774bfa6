"""A study pair by pair: features of a source under a network, and what they give."""

import contextlib
import functools
import gc
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfpipeline.config import RunSettings, with_source
from tfpipeline.config.study import StudySettings
from tfpipeline.core import console, file_io
from tfpipeline.core import target as targets
from tfpipeline.core.errors import UserError, check_each
from tfpipeline.data import dataset
from tfpipeline.data.dataset import Examples
from tfpipeline.data.sources import drawn_world
from tfpipeline.metrics import target_score
from tfpipeline.models import backbones
from tfpipeline.models.engines import names
from tfpipeline.study import (
    from_scratch,
    method_rows,
    networks,
    pair_cache,
    transferability,
    value_rows,
)
from tfpipeline.study.features import Features
from tfpipeline.study.from_scratch import SCRATCH
from tfpipeline.study.heads import pca, search, space
from tfpipeline.study.networks import (
    BATCH,
    Speeds,
    StudyNetwork,
    open_network,
    read_kept,
    read_word,
)
from tfpipeline.study.pair_cache import PairFiles
from tfpipeline.study.shot_counts import ALL, read_shots


def check(settings: StudySettings) -> None:
    """Refuse what cannot be studied, before any work is done."""
    has_network = bool(settings.backbones) or settings.scratch
    expected = {
        "sources": ("at least one source", bool(settings.sources)),
        "backbones": ("at least one network", has_network),
        **{
            name: ("at least 1", getattr(settings, name) >= 1)
            for name in ("seeds", "heads", "neighbours", "scratch_epochs", "workers")
        },
        "index": ("from 0 to below workers", 0 <= settings.index < settings.workers),
    }
    check_each("", settings, expected)
    read_shots(settings.shots)
    names.check(settings.engine, "--engine")
    for word in settings.backbones:
        read_word(word)


@dataclass
class Study:
    """What all pairs of a study share; opened when the first of them needs it.

    Pairs that are done lie in the cache, which all commands share; features are
    computed under the strategy.
    """

    settings: StudySettings
    cache: Path
    strategy: tf.distribute.Strategy

    def __post_init__(self) -> None:
        """Open each source once."""
        own = self.settings
        self.opened = functools.cache(self._open_source)
        self.seeds = range(own.seed, own.seed + own.seeds)
        words = list(dict.fromkeys(own.backbones))
        self.words = words + ([SCRATCH] if own.scratch else [])
        sources = dict.fromkeys(own.sources)
        self.pairs = [(name, word) for name in sources for word in self.words]
        self.files = PairFiles(own, self.cache)
        self.features = Features(
            *(own.data, own.seed, self.cache, self.strategy), own.engine
        )
        self.speeds = Speeds(self.cache / "study", self.strategy)
        self._network: StudyNetwork | None = None

    def network(self, word: str) -> StudyNetwork:
        """Return a network; the one before is dropped, since there may be dozens."""
        if self._network is None or self._network.word != word:
            self._network = None
            # Models and their graphs hold each other, and are rarely looked for.
            gc.collect()
            seed = self.settings.seed
            self._network = open_network(word, self.strategy, seed, self.speeds)
        return self._network

    def results(self) -> Iterator[dict[str, Any]]:
        """Yield the result of each pair, done before or now; an error is one too.

        Pairs of other workers are looked for at the end: each worker has left its own
        by then, so whichever ends last finds all of them.
        """
        self._check_targets()
        workers, index = self.settings.workers, self.settings.index
        mine = self.pairs[index::workers]
        for pair in mine:
            self.files.forget_failure(*pair)
        # Network by network, so that each is opened once and only one is there at a
        # time.
        mine.sort(key=lambda pair: self.words.index(pair[1]))
        results = {pair: self._result(*pair, True) for pair in mine}
        for name, word in self.pairs:
            result = results.get((name, word)) or self._result(name, word, False)
            about = {"source": name, "backbone": word}
            if "error" in result:
                yield {**about, **result}
            elif result:
                rows = [{**about, **row} for row in result["rows"]]
                yield {**result, "rows": rows, "pair": {**about, **result["pair"]}}

    def _result(self, name: str, word: str, mine: bool) -> dict[str, Any]:
        """Return a pair, or what was wrong with it, and leave either for the others.

        Of another worker's pair it is nothing where that has not left any yet.
        """
        try:
            file = self.files.done(word, self.opened(name))
            result = pair_cache.read(file)
            if result is None and not mine:
                return self.files.failure(name, word)
            if result is None:
                number = self.pairs.index((name, word)) + 1
                console.note(f"[{number}/{len(self.pairs)}] {name}, {word}")
                started = time.perf_counter()
                compute = self._scratch if word == SCRATCH else self._pair
                result = compute(name, word)
                result["pair"]["seconds"] = round(time.perf_counter() - started, 3)
                file_io.write_json(file, result)
            # What an image takes here, wherever the pair was computed.
            took = self._milliseconds(
                from_scratch.BACKBONE if word == SCRATCH else word
            )
            pair = {**result["pair"], "milliseconds": round(took, 3)}
            return {**result, "pair": pair}
        except Exception as error:  # Whatever it is, the other pairs are sound.
            message = _warn(name, word, error)
            if mine:
                self.files.leave_failure(name, word, message)
            return {"error": message}

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

    def train(self, name: str, settings: RunSettings) -> dict[str, Any] | None:
        """Return figures and `n` of the test images after `train` with settings.

        None where it failed, which is reported, or where there are none.
        """
        try:
            file = self.files.trained(settings, self.opened(name)[0])
            if not (metrics := read_kept(file)):
                _, splits = from_scratch.run(settings, self.strategy, self.cache)
                own = target_score.of_row(splits["test"])
                keys = (own.key, *own.also, "n")
                metrics = {key: splits["test"][key] for key in keys}
                file_io.write_json(file, metrics)
            return metrics if metrics["n"] else None
        except Exception as error:  # The study itself is sound.
            _warn(name, "the recommended command", error)
            return None

    def _check_targets(self) -> None:
        """Refuse sources that are not measured by the same figure."""
        found: dict[str, str] = {}
        names = dict.fromkeys(self.settings.sources)
        for name in names if len(names) > 1 else ():
            # What cannot be opened is told of its pairs.
            with contextlib.suppress(Exception):
                found[name] = self.opened(name)[0].source.target
        if len({target_score.of_target(target) for target in found.values()}) > 1:
            told = ", ".join(f"{name} ({target})" for name, target in found.items())
            raise UserError(
                f"--sources: expected sources of one {targets.FLAG}, which one figure "
                f"measures. Received: {told}. Make a study of each target."
            )

    def _open_source(self, name: str) -> tuple[Examples, ...]:
        """Return the examples of a source, split anew for each seed."""
        data = with_source(self.settings.data, name)
        draw = drawn_world.drawer(data)
        opened = tuple(
            dataset.prepare(data, seed, self.cache, draw) for seed in self.seeds
        )
        if any(weight % 1 for weight in opened[0].source.weight):
            raise UserError(
                f"{name}: expected whole numbers as weights, for which a study takes "
                "an image so many times. Multiply them by a common factor, or say "
                "--data.weight_column null."
            )
        return opened

    def _scratch(self, name: str, _: str) -> dict[str, Any]:
        data = with_source(self.settings.data, name)
        epochs = self.settings.scratch_epochs
        rows: list[dict[str, Any]] = []
        pair = _about(self.opened(name))
        for seed in self.seeds:
            given = from_scratch.settings_for(data, seed, epochs)
            work, metrics = from_scratch.run(given, self.strategy, self.cache)
            own = target_score.of_target(work.examples.source.target)
            rows.append(
                {
                    "method": "scratch",
                    "shots": ALL,
                    "seed": seed,
                    **{key: metrics["test"][key] for key in (own.key, *own.also)},
                    own.validation: metrics["validation"][own.key],
                    "trained_on": len(work.examples.of("train")),
                    "measured_on": metrics["test"]["n"],
                }
            )
            pair |= {**networks.costs(work.model), "untrained": False}
        return {"rows": rows, "pair": pair}

    def _pair(self, name: str, word: str) -> dict[str, Any]:
        opened, network, features = self.opened(name), self.network(word), self.features
        examples = opened[0]
        if network.untrained:
            images = features.sample_images(network, examples, BATCH)
            backbones.calibrate(network.backbone, images, network.mode)
        vectors = features.of(network, opened)
        classes, target = len(examples.source.labels), examples.source.target
        x, y = vectors.of(examples, "train")
        heads = space.draw_heads(self.settings.heads, self.settings.seed)
        heads = value_rows.fitting(target, heads)
        width = pca.count_for(len(y), vectors.width)
        program = search.Program(heads, width, classes, target)
        single = target in targets.CLASSES
        measured = method_rows.rows if single else value_rows.rows
        rows = [
            row
            for seed, own in zip(self.seeds, opened)
            for row in measured(vectors, own, seed, program, self.settings)
        ]
        scores: dict[str, float] = {}
        if single:
            scores["logme"] = transferability.logme(x, y, classes)
        elif target == targets.NUMBER:
            _, numbers, _ = vectors.valued(examples, "train")
            scores["logme"] = transferability.logme_of_numbers(x, numbers)
        pair = {
            **_about(opened),
            **networks.costs(network.backbone),
            "width": vectors.width,
            "untrained": network.untrained,
            **scores,
            "statistics_distance": features.statistics_distance(network, examples),
            "kernel_distance": features.kernel_distance(network, vectors, examples),
        }
        return {"rows": rows, "pair": pair}


def _about(opened: Sequence[Examples]) -> dict[str, Any]:
    first = opened[0]
    own: dict[str, Any] = {"classes": len(first.source.labels)}
    if first.source.target == targets.NUMBER:
        own = {"quantity": first.source.labels[0]}
    if first.source.target not in targets.CLASSES:
        own["target"] = first.source.target
    return {
        "images": len(first.source),
        **own,
        "test_images": len(first.of("test")),
        # Other splits divide other copies.
        "leaks": max(examples.leaks() for examples in opened),
    }


def _warn(name: str, word: str, error: Exception) -> str:
    """Say what was wrong with a pair, and return it."""
    message = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if not isinstance(error, UserError):
        message = f"{type(error).__name__}: {message}"
    console.warn(f"{name}, {word}: {message}")
    return message
