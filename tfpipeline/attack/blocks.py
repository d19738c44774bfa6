"""Photographs are attacked, judged and written in blocks, and then forgotten.

However many there are, no more than a block of them, and a sample for the checks, is in
memory at once.
"""

import copy
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline import distribute
from tfpipeline.attack import lesson, outputs, photos
from tfpipeline.attack.engine import sanity_checks
from tfpipeline.attack.engine.loop import Goals, Outcome
from tfpipeline.attack.engine.model import Inspection
from tfpipeline.attack.engine.sanity_checks import Tally
from tfpipeline.attack.experiment import Strike
from tfpipeline.attack.figures import Figures
from tfpipeline.attack.photos import Subject
from tfpipeline.attack.survey import Survey
from tfpipeline.core import console
from tfpipeline.core.checks import Check
from tfpipeline.core.errors import UserError
from tfpipeline.core.provenance import Phases
from tfpipeline.core.result_dir import Output
from tfpipeline.core.signals import Stopped, Terminated
from tfpipeline.metrics import spread

# Values of pictures in a block, and pictures at most.
_VALUES, _MOST = 2**24, 256

# Photographs that the checks are asked about: evenly spread over all.
_SAMPLE = 64

# Pictures on the sheet of all, at most.
_ON_SHEET = 60


@dataclass
class Progress:
    """What is kept of all blocks."""

    survey: Survey
    figures: Figures
    # What is true of each photograph that was attacked, as in `attack.json`.
    items: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0
    # Names of pictures that are in use, and the first pictures, for a sheet.
    taken: set[str] = field(default_factory=lambda: {"sheet", "overview"})
    first: list[np.ndarray] = field(default_factory=list)
    # Photographs that were not attacked, and why; how many of them the network is wrong
    # about without an attack; and files that could not be read.
    left: list[dict[str, str]] = field(default_factory=list)
    wrong: int = 0
    bad: list[tuple[Path, str]] = field(default_factory=list)
    # Of the network, once there was something to show it.
    inspection: Inspection | None = None
    tally: Tally = field(default_factory=Tally)
    # What the checks are asked about.
    sample: list[tuple[Goals, Outcome]] = field(default_factory=list)

    def copied(self) -> "Progress":
        """Return the same, which what comes next does not change."""
        return Progress(*map(copy.copy, vars(self).values()))


class Blocks:
    """The whole command, once its networks are open, by a strike on no photographs."""

    def __init__(self, strike: Strike, output: Output, phases: Phases) -> None:
        self.strike, self.output, self.phases = strike, output, phases
        self.chief = distribute.is_chief(strike.strategy)
        self.progress = Progress(Survey(strike), Figures(strike.settings.figures))
        self.stopped: Stopped | None = None
        self._lesson: lesson.Lesson | None = None

    def run(self, paths: Sequence[Path]) -> dict[str, Check]:
        """Attack all photographs, and return what shows how strong that was.

        Where it is interrupted, what whole blocks have come to is kept, and `stopped`
        says so.
        """
        network, settings = self.strike.networks[0], self.strike.settings
        values = network.size[0] * network.size[1] * 3
        size = max(settings.adversary.batch_size, min(_MOST, _VALUES // values))
        sample = {paths[place] for place in spread.spread(len(paths), _SAMPLE)}
        count = -(-len(paths) // size)
        for number in range(count):
            where = f"{number + 1} of {count}: " if count > 1 else ""
            kept, files = self.progress.copied(), len(self.output.written)
            try:
                good = self._gather(paths[number * size : (number + 1) * size])
                photos.check_subjects(self.strike.strategy, good)
                if good:
                    self._attack(good, sample, where)
            except KeyboardInterrupt as error:
                self.output.discard(files)
                self.progress = kept
                if not kept.count:
                    raise
                self._stop(error, f"after {number * size} of {len(paths)} photographs")
                break
        self._check_count()
        try:
            with self.phases("checks"):
                return self._checks(costly=self.stopped is None)
        except KeyboardInterrupt as error:
            self._stop(error, "before the checks")
        return self._checks(costly=False)

    def _stop(self, error: KeyboardInterrupt, where: str) -> None:
        """Note that it ends here: all that was made so far counts."""
        if distribute.workers(self.strike.strategy)[1] > 1:
            # Others would wait for this one.
            raise error
        console.note(f"Stopping {where}; the results so far are kept.")
        result = self.output.folder / self.output.name
        number = signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT
        self.stopped = Stopped(
            f"Stopped {where}. {result} has all that was made until then; "
            "for the rest give the same command with --overwrite true.",
            number,
        )

    def _gather(self, paths: Sequence[Path]) -> list[Subject]:
        """Return the photographs of a block that can be attacked; note the others."""
        network, progress = self.strike.networks[0], self.progress
        how = self.strike.settings.resize or network.resize
        limit = self.strike.settings.max_pixels
        subjects, bad = photos.gather(paths, network, how, limit)
        good, left = photos.attackable(subjects, self.strike.target)
        progress.bad += bad
        progress.wrong += sum(not subject.right for subject, _ in left)
        progress.left += [
            {
                "image": str(subject.path),
                "class": network.labels[subject.seen],
                "label": network.labels[subject.label],
                "label_from": subject.label_from,
                "reason": reason,
            }
            for subject, reason in left
        ]
        return good

    def _attack(self, good: list[Subject], sample: set[Path], where: str) -> None:
        progress = self.progress
        strike = self.strike.on(good, progress.count, where)
        if progress.inspection is None:
            progress.inspection = strike.look()
        with self.phases("attack"):
            outcome = strike.run()
        goals = strike.goals()
        progress.tally.add(strike.campaign, outcome, goals)
        rows = np.array([k for k, one in enumerate(good) if one.path in sample], int)
        if len(rows):
            progress.sample.append((goals.take(rows), outcome.take(rows)))
        with self.phases("checks"):
            progress.survey.add(strike, outcome)
        progress.count += len(good)
        if self.chief:
            with self.phases("judge"):
                self._write(strike, outcome)

    def _write(self, strike: Strike, outcome: Outcome) -> None:
        progress, folder = self.progress, self.output.folder
        pictures, items = outputs.write(strike, outcome, folder, progress.taken)
        progress.figures.draw(strike, pictures, items, folder)
        progress.items += items
        progress.first += list(pictures[: max(0, _ON_SHEET - len(progress.first))])
        if strike.settings.preset == "lesson":
            assert strike.target is not None
            self._lesson = self._lesson or lesson.Lesson(
                strike.networks[0], strike.target
            )
            for item, subject, ours in zip(items, strike.subjects, pictures):
                item["lesson"] = self._lesson.write(subject, ours, item, folder)

    def _checks(self, *, costly: bool) -> dict[str, Check]:
        progress = self.progress
        assert progress.inspection is not None
        checks = progress.tally.checks(progress.inspection)
        if not progress.sample or not costly:
            # None of the sample could be attacked, or there is no time.
            return checks
        goals, outcome = zip(*progress.sample)
        return checks | sanity_checks.stronger(
            self.strike.campaign,
            Outcome.joined(outcome),
            Goals.joined(goals),
            self.strike.title("check"),
        )

    def _check_count(self) -> None:
        """Refuse to go on where there was nothing to attack."""
        progress = self.progress
        if progress.count:
            return
        if progress.left:
            first, more = progress.left[0], ""
            if progress.wrong == len(progress.left) >= sanity_checks.ASKED_AT_LEAST:
                more = (
                    f" So are all {progress.wrong}: it may expect another pixel space, "
                    "or know other classes."
                )
            raise UserError(
                f"--images: expected at least one photograph to attack. "
                f"{first['image']}: {first['reason']}.{more}"
            )
        file, reason = progress.bad[0]
        raise UserError(
            f"--images: expected at least one readable picture. {file}: {reason}."
        )
