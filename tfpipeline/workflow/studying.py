"""A study pair by pair: features of a source under a network, and what they give."""

import dataclasses
import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline import atomic, terminal
from tfpipeline.config import DataSettings, with_source
from tfpipeline.config_study import StudySettings
from tfpipeline.data import preparation, splits
from tfpipeline.data.preparation import Examples
from tfpipeline.demo import source
from tfpipeline.errors import UserError, check_each
from tfpipeline.evaluation import probes, transferability
from tfpipeline.models import backbones
from tfpipeline.training import axes, head_search, heads
from tfpipeline.workflow import study_pairs, study_scratch
from tfpipeline.workflow.study_features import Features
from tfpipeline.workflow.study_networks import (
    BATCH,
    open_network,
    read_word,
)
from tfpipeline.workflow.study_pairs import PairFiles
from tfpipeline.workflow.study_scratch import SCRATCH
from tfpipeline.workflow.study_shots import ALL, read_shots

# Steps in which every head of a search is trained.
STEPS = 150


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
        """Open each source and each network once."""
        self.opened = functools.cache(self._open_source)
        own = self.settings
        self.files = PairFiles(own, self.cache)
        self.features = Features(own.data, own.seed, self.cache, self.strategy)
        speeds: dict[tuple[object, ...], float] = {}
        self.network = functools.cache(
            lambda word: open_network(word, self.strategy, self.settings.seed, speeds)
        )

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Every source with every network, source by source."""
        settings = self.settings
        words = list(dict.fromkeys(settings.backbones))
        words += [SCRATCH] if settings.scratch else []
        return [(s, w) for s in dict.fromkeys(settings.sources) for w in words]

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
            if (kept := study_pairs.read(file)) is not None:
                return kept
            number = self.pairs.index((name, word)) + 1
            terminal.note(f"[{number}/{len(self.pairs)}] {name}, {word}")
            started = time.perf_counter()
            found = self._scratch(name) if word == SCRATCH else self._pair(name, word)
            found["pair"]["seconds"] = round(time.perf_counter() - started, 3)
            atomic.write_json(file, found)
            return found
        except Exception as error:  # Whatever it is, the other pairs are sound.
            told = _said(name, word, error)
            self.files.leave_failure(name, word, told)
            return {"error": told}

    def _left(self, name: str, word: str) -> dict[str, Any]:
        """Return what another worker has left of a pair; nothing if it has not yet."""
        try:
            kept = study_pairs.read(self.files.done(word, self.opened(name)))
        except Exception as error:  # As above.
            return {"error": _said(name, word, error)}
        return kept or self.files.failure(name, word)

    def _data(self, name: str) -> DataSettings:
        return with_source(self.settings.data, name)

    def _open_source(self, name: str) -> tuple[Examples, ...]:
        """Return the examples of a source, split anew for each seed."""
        data = self._data(name)
        draw = source.drawer(data)
        return tuple(
            preparation.prepare(data, seed, self.cache, draw) for seed in self.seeds
        )

    def _scratch(self, name: str) -> dict[str, Any]:
        examples = self.opened(name)[0]
        rows, costs = study_scratch.train(
            self._data(name),
            self.seeds,
            self.settings.scratch_epochs,
            self.strategy,
            self.cache,
        )
        return {"rows": rows, "pair": {**_about(examples), **costs}}

    def _pair(self, name: str, word: str) -> dict[str, Any]:
        opened, network = self.opened(name), self.network(word)
        examples = opened[0]
        if network.untrained:
            some = self.features.some_images(network, examples, BATCH)
            backbones.calibrate(network.backbone, some, network.mode)
        features = self.features.of(network, examples)
        classes = len(examples.source.labels)
        train, width = examples.of("train"), features.shape[1]
        programs = functools.cache(
            lambda: head_search.Program(
                heads.draw_heads(self.settings.heads, self.settings.seed),
                axes.count_for(len(train), width),
                classes,
            )
        )
        rows = [
            row
            for seed, own in zip(self.seeds, opened)
            for row in self._rows(features, own, seed, programs)
        ]
        pair = {
            **_about(examples),
            **network.costs(),
            "width": int(width),
            "untrained": network.untrained,
            "logme": transferability.logme(
                features[train], examples.source.label[train], classes
            ),
            "statistics_distance": self.features.statistics_distance(network, examples),
            "kernel_distance": self.features.kernel_distance(network, features),
        }
        return {"rows": rows, "pair": pair}

    def _rows(
        self,
        features: np.ndarray,
        examples: Examples,
        seed: int,
        programs: Callable[[], head_search.Program],
    ) -> Iterator[dict[str, Any]]:
        """Yield the accuracies of every method and number of examples."""
        label, classes = examples.source.label, len(examples.source.labels)
        most = int(examples.counts().max())
        chooses, measures = examples.of("validation"), examples.of("test")
        for shots in read_shots(self.settings.shots):
            if shots is not None and shots >= most:
                continue
            kept = splits.few(label, examples.split, most=shots, fraction=1, seed=seed)
            some = kept[examples.split[kept] == "train"]
            x, y = features[some], label[some]
            probe = probes.fit_probe(x, y, classes)
            trained = programs().train(x, y, steps=STEPS, seed=seed)
            best = trained.best(features[chooses], label[chooses])
            chosen = dataclasses.asdict(trained.program.heads[best])
            answers: dict[str, Callable[[np.ndarray], np.ndarray]] = {
                "probe": probe.scores,
                "neighbours": functools.partial(
                    probes.neighbours, x, y, classes=classes, count=self._votes(shots)
                ),
                "head": lambda asked: trained.logits(asked)[best],
            }
            for method, answer in answers.items():
                validation, test = (
                    probes.accuracy(answer(features[part]), label[part])
                    for part in (chooses, measures)
                )
                yield {
                    "method": method,
                    "shots": ALL if shots is None else shots,
                    "seed": seed,
                    "accuracy": test,
                    "validation_accuracy": validation,
                    "trained_on": len(some),
                    "measured_on": len(measures),
                    **({"head": chosen} if method == "head" else {}),
                }

    def _votes(self, shots: int | None) -> int:
        """Return how many neighbours vote: no more than a class has examples."""
        most = self.settings.neighbours
        return most if shots is None else min(most, shots)


def _about(examples: Examples) -> dict[str, Any]:
    return {
        "images": len(examples.source),
        "classes": len(examples.source.labels),
        "test_images": len(examples.of("test")),
        "leaks": examples.leaks(),
    }


def _said(name: str, word: str, error: Exception) -> str:
    """Say what was wrong with a pair, and return it."""
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
    terminal.warn(f"{name}, {word}: {kind}{first}")
    return f"{kind}{first}"
