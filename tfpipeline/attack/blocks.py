"""Photographs are attacked, judged and written in blocks, and then forgotten.

However many there are, no more than a block of them, and a sample for the checks, is in
memory at once.
"""

import copy
import dataclasses
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline import distribute
from tfpipeline.attack import photos
from tfpipeline.attack.engine import evidence, sanity_checks
from tfpipeline.attack.engine.evidence import Tally
from tfpipeline.attack.engine.loop import Found, Wanted
from tfpipeline.attack.engine.model import Inspection
from tfpipeline.attack.experiment import Strike
from tfpipeline.attack.figures import Figures
from tfpipeline.attack.outputs import Outcome, Written
from tfpipeline.attack.photos import Subject
from tfpipeline.attack.survey import Survey
from tfpipeline.core import console, spread
from tfpipeline.core.checks import Check
from tfpipeline.core.errors import UserError
from tfpipeline.core.provenance import Phases
from tfpipeline.core.result_dir import Output
from tfpipeline.core.signals import Stopped, Terminated
from tfpipeline.models.load_network import Network

# Values of pictures in a block, and pictures at most.
_VALUES, _MOST = 2**24, 256

# Photographs that the checks are asked about: evenly spread over all.
_SAMPLE = 64


@dataclass
class Made:
    """What is kept of all blocks.

    Args:
        written: Pictures, and what is true of each.
        survey: What the further attacks have shown.
        left: Photographs that were not attacked, and why.
        wrong: How many of them the network is wrong about without an attack.
        bad: Files that could not be read, and why.
        count: Photographs that were attacked.
        inspection: Of the victim, once there was something to show it.
        tally: What was counted of all images.
        sample: What the checks are asked about.
    """

    written: Written
    survey: Survey
    left: list[dict[str, str]] = field(default_factory=list)
    wrong: int = 0
    bad: list[tuple[Path, str]] = field(default_factory=list)
    count: int = 0
    inspection: Inspection | None = None
    tally: Tally = field(default_factory=Tally)
    sample: list[tuple[Wanted, Found]] = field(default_factory=list)

    def copied(self) -> "Made":
        """Return the same, which what comes next does not change."""
        same = copy.copy(self)
        same.written, same.survey = self.written.copied(), self.survey.copied()
        same.left, same.bad = list(self.left), list(self.bad)
        same.sample, same.tally = list(self.sample), copy.copy(self.tally)
        return same


class Attacking:
    """The whole command, once its networks are open.

    Args:
        strike: The attack, on no photographs yet.
        judges: Networks that took no part.
        output: Where the result goes.
        phases: The clock.
    """

    def __init__(
        self,
        strike: Strike,
        judges: Sequence[Network],
        output: Output,
        phases: Phases,
    ) -> None:
        self.strike, self.judges = strike, judges
        self.output, self.phases = output, phases
        self.chief = distribute.is_chief(strike.strategy)
        most = strike.settings.figures
        self.made = Made(Written(output.folder, Figures(most)), Survey(strike, judges))
        self.stopped: Stopped | None = None

    def run(self, paths: Sequence[Path]) -> dict[str, Check]:
        """Attack all photographs, and return what shows how strong that was.

        Where it is interrupted, what whole blocks have come to is kept, and `stopped`
        says so.

        Args:
            paths: Of the photographs.

        Raises:
            UserError: There is none to attack.
        """
        network, settings = self.strike.networks[0], self.strike.settings
        values = network.size[0] * network.size[1] * 3
        size = max(settings.adversary.batch_size, min(_MOST, _VALUES // values))
        chosen = {paths[place] for place in spread.spread(len(paths), _SAMPLE)}
        count = -(-len(paths) // size)
        for number in range(count):
            some = paths[number * size : (number + 1) * size]
            where = f"{number + 1} of {count}: " if count > 1 else ""
            kept, files = self.made.copied(), len(self.output.written)
            try:
                good = self._gathered(some)
                photos.check_subjects(self.strike.strategy, good)
                if good:
                    self._block(good, chosen, where)
            except KeyboardInterrupt as error:
                self.output.discard(files)
                self.made = kept
                if not kept.count:
                    raise
                self._stop(error, f"after {number * size} of {len(paths)} photographs")
                break
        self._check_some()
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
        console.note(f"Stopping {where}; what was made until then is kept.")
        result = self.output.folder / self.output.name
        number = signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT
        self.stopped = Stopped(
            f"Stopped {where}. {result} has all that was made until then; "
            "for the rest give the same command with --overwrite true.",
            number,
        )

    def _gathered(self, paths: Sequence[Path]) -> list[Subject]:
        """Return the photographs of a block that can be attacked; note the others."""
        network, made = self.strike.networks[0], self.made
        how = self.strike.settings.resize or network.resize
        found, bad = photos.gather(paths, network, how)
        good, left = photos.attackable(found, self.strike.plan.target)
        made.bad += bad
        made.wrong += sum(not subject.right for subject, _ in left)
        made.left += [
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

    def _block(self, good: list[Subject], chosen: set[Path], where: str) -> None:
        made = self.made
        strike = self.strike.on(good, made.count, where)
        if made.inspection is None:
            made.inspection = strike.look()
        with self.phases("attack"):
            found = strike.run()
        outcome = Outcome(strike, found, self.judges)
        wanted = strike.wanted(strike.plan.epsilon)
        made.tally.add(strike.campaign, found, wanted)
        rows = np.array([k for k, one in enumerate(good) if one.path in chosen], int)
        if len(rows):
            made.sample.append((wanted.some(rows), found.some(rows)))
        with self.phases("checks"):
            made.survey.add(outcome)
        made.count += len(good)
        if self.chief:
            with self.phases("judge"):
                items = made.written.add(outcome)
                if strike.settings.preset == "lesson":
                    made.survey.lesson(outcome, items, self.output.folder)

    def _checks(self, *, costly: bool) -> dict[str, Check]:
        made = self.made
        assert made.inspection is not None
        told = made.tally.checks(made.inspection)
        if not made.sample or not costly:
            # None of the chosen ones could be attacked, or there is no time.
            return told
        wanted, found = (_joined(parts) for parts in zip(*made.sample))
        title = self.strike.title("check")
        return told | sanity_checks.stronger(self.strike.campaign, found, wanted, title)

    def _check_some(self) -> None:
        """Refuse to go on where there was nothing to attack."""
        made = self.made
        if made.count:
            return
        if made.left:
            first, more = made.left[0], ""
            if made.wrong == len(made.left) >= evidence.ASKED_AT_LEAST:
                more = (
                    f" So are all {made.wrong}: it may expect another pixel space, or "
                    "know other classes."
                )
            raise UserError(
                f"--images: expected at least one photograph to attack. "
                f"{first['image']}: {first['reason']}.{more}"
            )
        file, reason = made.bad[0]
        raise UserError(
            f"--images: expected at least one readable picture. {file}: {reason}."
        )


def _joined(parts: Sequence[Any]) -> Any:
    """Return several of the same dataclass of arrays as one."""
    names = [entry.name for entry in dataclasses.fields(parts[0])]
    each = ([getattr(part, name) for part in parts] for name in names)
    return type(parts[0])(*map(np.concatenate, each))
