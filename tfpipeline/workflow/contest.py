"""Which of two versions is better: the new one or the live one, on the same images.

Only images that neither has learned from are asked about. The new one has to be right
on more of them, by McNemar's exact test; or, right on as many at least, to give the
true classes better probabilities, by a paired test of the cross-entropies. Whatever
else is a tie, and then the live one stays.
"""

import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline import atomic
from tfpipeline.data import splits
from tfpipeline.errors import UserError
from tfpipeline.report.intervals import mcnemar
from tfpipeline.serving import asking, signatures, versions
from tfpipeline.workflow.exporting import Opened

LABELS, LEARNED = "labels.txt", "learned_from.txt"

# A difference that chance makes more often than this is none.
SIGNIFICANT = 0.05

# Of a SHA-256, in hexadecimal digits: enough for no accident among a billion images.
_DIGITS = 16

# Images that make no difference between two versions be more than chance.
_FEWEST = 6


def learned_from(opened: Opened) -> list[str]:
    """Return what a version tells later ones of the images that it has learned from.

    Args:
        opened: The run.
    """
    digests = splits.trained_digests(opened.run.learned, ("train", "validation"))
    return sorted({digest[:_DIGITS] for digest in digests})


def check(opened: Opened, base: Path) -> None:
    """Refuse a comparison that cannot be.

    Args:
        opened: The run.
        base: The folder above the versions.

    Raises:
        UserError: The classes of the images are not known, or the live version has
            others.
    """
    if opened.label is None:
        raise UserError(
            "--only_if_better: expected images whose classes are known, so it cannot "
            "be together with --images. Leave one of them out."
        )
    live = _live(base)
    if live is None:
        return
    file = base / str(live) / LABELS
    if not file.is_file():
        raise UserError(
            f"--only_if_better: version {live} has no {LABELS}, so `export` has not "
            "written it, and they cannot be compared. Leave the flag out, or name "
            "another --output."
        )
    names = atomic.read_lines(file)
    if tuple(names) != opened.labels:
        raise UserError(
            f"--only_if_better: version {live} has other classes than this run, so "
            "they cannot be compared. Leave the flag out, or name another --output."
        )


def compare(staged: Path, opened: Opened, scratch: Path) -> dict[str, Any]:
    """Return which is better: a version that is about to be published, or the live one.

    Args:
        staged: Of the new one.
        opened: The run that it was made of.
        scratch: For what processes tell each other.

    Returns:
        `winner` (`new`, `live` or `tie`), `n`, `left_out` (images that one of them has
        learned from), `learned_known` (whether the live version says what it has
        learned from), `new` and `live` (`accuracy`, and `loss` where all probabilities
        are known), `live_version`, `only_new`, `only_live` (images on which only one
        is right), `p` of that and `p_loss` (null where it is not known).

    Raises:
        UserError: Too few images are left.
    """
    base = staged.parent
    live = _live(base)
    label = np.asarray(opened.label)
    if live is None:
        right, loss = _asked(staged, opened, list(range(len(label))), scratch)
        return {
            "winner": "new",
            "n": len(label),
            "new": _worth(right, loss),
            "live": None,
            "live_version": None,
        }
    theirs = base / str(live) / LEARNED
    seen = set(learned_from(opened))
    seen |= set(atomic.read_lines(theirs)) if theirs.is_file() else set()
    kept = unseen([row.sha256 for row in opened.files], seen)
    one, ours = _asked(staged, opened, kept, scratch)
    two, old = _asked(base / str(live), opened, kept, scratch)
    found: dict[str, Any] = {
        "n": len(kept),
        "left_out": len(label) - len(kept),
        "learned_known": theirs.is_file(),
        "live_version": live,
        "only_new": int((one & ~two).sum()),
        "only_live": int((two & ~one).sum()),
    }
    if ours is None or old is None:
        # One that cannot tell all probabilities is not compared by them.
        ours = old = None
    found["new"], found["live"] = _worth(one, ours), _worth(two, old)
    found["p"] = mcnemar(found["only_new"], found["only_live"])
    found["p_loss"] = None if ours is None else paired(ours - old)
    return found | {"winner": winner(found)}


def winner(found: dict[str, Any]) -> str:
    """Return `new`, `live` or `tie` by the rule of this module's first lines.

    Args:
        found: `only_new`, `only_live`, `p`, `p_loss`, and the worth of both.
    """
    ahead = found["only_new"] - found["only_live"]
    if found["p"] <= SIGNIFICANT:
        return "new" if ahead > 0 else "live"
    if found["p_loss"] is not None and found["p_loss"] <= SIGNIFICANT:
        gain = found["live"]["loss"] - found["new"]["loss"]
        if ahead * gain >= 0:
            return "new" if gain > 0 else "live"
    return "tie"


def paired(difference: np.ndarray) -> float:
    """Return how likely a mean as far from 0 is by chance, two-sided.

    Args:
        difference: Of two measures of the same images, shape (n,).
    """
    spread = float(difference.std(ddof=1)) if len(difference) > 1 else 0.0
    if spread == 0:
        return 1.0
    z = abs(float(difference.mean())) / (spread / math.sqrt(len(difference)))
    return math.erfc(z / math.sqrt(2))


def _live(base: Path) -> int | None:
    there = versions.versions(base)
    newest = there[-1] if there else None
    return versions.read_labels(base).get(versions.STABLE, newest)


def unseen(digests: Sequence[str], seen: Collection[str]) -> list[int]:
    """Return the places of images that neither version has learned from.

    Args:
        digests: SHA-256 of each image.
        seen: What the two versions tell of those that they have learned from.

    Raises:
        UserError: Too few are left.
    """
    kept = [i for i, one in enumerate(digests) if one[:_DIGITS] not in seen]
    if len(kept) < _FEWEST:
        raise UserError(
            f"--only_if_better: of {len(digests)} test images, one of the two versions "
            f"has learned from all but {len(kept)}, so they say nothing. Give this run "
            "a test split of the live version's, by train's --data.splits, or leave "
            "the flag out."
        )
    return kept


def _asked(
    model: Path, opened: Opened, kept: Sequence[int], scratch: Path
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return where a version is right, and its cross-entropies where it tells them."""
    places = [opened.places[i] for i in kept]
    label = np.asarray(opened.label)[list(kept)]
    full = signatures.ALL in signatures.definitions(model)
    signature = signatures.ALL if full else signatures.BYTES
    answers = asking.ask(model, places, scratch, signature)
    if not full:
        # Of an image that cannot be read no class is named.
        best = [names[0] for names in answers["labels"]]
        return np.array([opened.labels[k] for k in label]) == np.array(best), None
    chance = np.asarray(answers["probabilities"])
    right = (chance.argmax(axis=1) == label) & np.asarray(answers["valid"])
    true = chance[np.arange(len(label)), label]
    return right, -np.log(np.maximum(true, 1e-7))


def _worth(right: np.ndarray, loss: np.ndarray | None) -> dict[str, float | None]:
    mean = None if loss is None else float(loss.mean())
    return {"accuracy": float(right.mean()), "loss": mean}
