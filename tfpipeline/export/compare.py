"""Which of two versions is better: the new one or the live one, on the same images.

Only images that neither has learned from are asked about. The new one has to be right
on more of them, by McNemar's exact test; or, right on as many at least, to give the
true classes better probabilities, by a sign-flip test of the paired cross-entropies.
Of two versions that could be exchanged for each other, so that each difference might as
well have the other sign, both tests together prefer one in 5 % of cases at most, by
Holm. Whatever else is a tie, and then the live one stays.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.core import file_io, progress
from tfpipeline.core.errors import UserError
from tfpipeline.data import splits
from tfpipeline.export import ask_process, prepare, signatures, versions
from tfpipeline.export.prepare import Opened
from tfpipeline.metrics.significance import holm, mcnemar, sign_flip
from tfpipeline.models.class_names import ClassNames

LABELS, LEARNED = "labels.txt", "learned_from.txt"

# A difference that chance makes more often than this is none, of both tests together.
SIGNIFICANT = 0.05

# Of a SHA-256, in hexadecimal digits: enough for no accident among a billion images.
DIGITS = 16

# With fewer, both tests together find nothing, though all images are for one version.
_FEWEST = 7


def learned_from(opened: Opened) -> list[str]:
    """Return what a version tells later ones of the images that it has learned from.

    Args:
        opened: The run.
    """
    digests = splits.trained_digests(opened.run.learned, ("train", "validation"))
    return sorted({digest[:DIGITS] for digest in digests})


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
    names = ClassNames(file_io.read_lines(file))
    if difference := names.difference(opened.labels, f"version {live}", "this run"):
        raise UserError(
            f"--only_if_better: version {live} has other classes than this run, so "
            f"they cannot be compared. {difference} Leave the flag out, or name "
            "another --output."
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
        is right), `p` of that and `p_loss` (null where it is not known), and `p_holm`
        and `p_loss_holm`, which decide.

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
    seen |= set(file_io.read_lines(theirs)) if theirs.is_file() else set()
    kept = unseen([row.sha256 for row in opened.held_out], seen)
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
    p_loss = None if ours is None or old is None else float(sign_flip(ours - old))
    found |= p_values(found["only_new"], found["only_live"], p_loss)
    return found | {"winner": winner(found)}


def p_values(only_new: int, only_live: int, p_loss: float | None) -> dict[str, Any]:
    """Return how likely such differences are by chance, each alone and by Holm.

    Args:
        only_new: Images on which only the new version is right.
        only_live: Images on which only the live one is.
        p_loss: Of the cross-entropies; None where they are not known.

    Returns:
        `p` and `p_holm` of the answers, `p_loss` and `p_loss_holm`.
    """
    p = mcnemar(only_new, only_live)
    held = holm([p] if p_loss is None else [p, p_loss])
    p_loss_holm = None if p_loss is None else held[1]
    return {"p": p, "p_loss": p_loss, "p_holm": held[0], "p_loss_holm": p_loss_holm}


def winner(found: dict[str, Any]) -> str:
    """Return `new`, `live` or `tie` by the rule of this module's first lines.

    Args:
        found: `only_new`, `only_live`, `p_holm`, `p_loss_holm`, and the worth of both.
    """
    ahead = found["only_new"] - found["only_live"]
    if found["p_holm"] <= SIGNIFICANT:
        return "new" if ahead > 0 else "live"
    if found["p_loss_holm"] is not None and found["p_loss_holm"] <= SIGNIFICANT:
        gain = found["live"]["loss"] - found["new"]["loss"]
        if ahead * gain >= 0:
            return "new" if gain > 0 else "live"
    return "tie"


def _live(base: Path) -> int | None:
    there = versions.versions(base)
    newest = there[-1] if there else None
    return versions.read_labels(base).get(versions.STABLE, newest)


def unseen(digests: Sequence[str], seen: Collection[str]) -> list[int]:
    """Return the places of images that neither version has learned from, each once.

    Args:
        digests: SHA-256 of each image.
        seen: What the two versions tell of those that they have learned from.

    Raises:
        UserError: Too few are left.
    """
    # Equal files are no further images: a test counts each once.
    first = {one: place for place, one in reversed(list(enumerate(digests)))}
    kept = sorted(place for one, place in first.items() if one[:DIGITS] not in seen)
    if len(kept) < _FEWEST:
        raise UserError(
            f"--only_if_better: of {len(digests)} test images, all but {len(kept)} are "
            "equal files or were learned from, so they say nothing. Give this run "
            "a test split of the live version's, by train's --data.splits, or leave "
            "the flag out."
        )
    return kept


def _asked(
    model: Path, opened: Opened, kept: Sequence[int], scratch: Path
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return where a version is right, and its cross-entropies where it tells them."""
    places = prepare.places(opened.held_out[i] for i in kept)
    label = np.asarray(opened.label)[list(kept)]
    full = signatures.ALL in signatures.definitions(model)
    signature = signatures.ALL if full else signatures.BYTES
    right, loss = np.zeros(len(label), bool), np.zeros(len(label))
    first = 0
    title = f"compare: version {model.name}" if model.name.isdigit() else "compare: new"
    with progress.bar(len(label), title, "image") as shown:
        for answers in ask_process.stream(model, places, scratch, signature):
            some = slice(first, first + len(answers["valid"]))
            if full:
                # What is no number is no probability.
                chance = np.nan_to_num(np.array(answers["probabilities"], np.float64))
                true = np.take_along_axis(chance, label[some, None], axis=1)[:, 0]
                best = (chance.argmax(axis=1) == label[some]) & (true > 0)
                right[some] = best & np.asarray(answers["valid"])
                loss[some] = -np.log(np.maximum(true, 1e-7))
            else:
                # Of an image that cannot be read no class is named.
                names = [names[0] for names in answers["labels"]]
                right[some] = [opened.labels[k] for k in label[some]] == np.array(names)
            first = some.stop
            shown.update(len(answers["valid"]))
    return right, loss if full else None


def _worth(right: np.ndarray, loss: np.ndarray | None) -> dict[str, float | None]:
    mean = None if loss is None else float(loss.mean())
    return {"accuracy": float(right.mean()), "loss": mean}
