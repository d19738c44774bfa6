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
from tfpipeline.export import ask_process, signatures, versions
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
    """Return what a version says to later ones of the images it has learned from."""
    digests = splits.trained_digests(opened.run.learned, ("train", "validation"))
    return sorted({digest[:DIGITS] for digest in digests})


def check(opened: Opened, base: Path) -> None:
    """Refuse a comparison that cannot be."""
    if opened.label is None:
        raise UserError(
            "--only_if_better: expected images whose classes are known, so it cannot "
            "be combined with --images. Leave one of them out."
        )
    live = versions.live(base)
    if live is None:
        return
    file = base / str(live) / LABELS
    if not file.is_file():
        raise UserError(
            f"--only_if_better: version {live} has no {LABELS}, so it was not written "
            f"by `export` and cannot be compared. Leave the flag out, or name "
            "another --output."
        )
    names, labels = ClassNames(file_io.read_lines(file)), opened.ready.labels
    if difference := names.difference(labels, f"version {live}", "this run"):
        raise UserError(
            f"--only_if_better: version {live} has other classes than this run, so "
            f"they cannot be compared. {difference} Leave the flag out, or name "
            "another --output."
        )


def compare(staged: Path, opened: Opened) -> dict[str, Any]:
    """Return which is better: a version that is about to be published, or the live one.

    Returns:
        `winner` (`new`, `live` or `tie`), `n`, `left_out` (images that one of them has
        learned from), `learned_known` (whether the live version says of which), `new`
        and `live` (`accuracy`, and `loss` where all probabilities are known),
        `live_version`, `only_new`, `only_live` (images on which only one is right), and
        what `p_values` returns.
    """
    base = staged.parent
    live = versions.live(base)
    count = len(opened.held_out)
    if live is None:
        new = _scores(*_ask(staged, opened, range(count)))
        empty = {"live": None, "live_version": None}
        return {"winner": "new", "n": count, "new": new, **empty}
    theirs = base / str(live) / LEARNED
    seen = set(learned_from(opened))
    seen |= set(file_io.read_lines(theirs)) if theirs.is_file() else set()
    kept = unseen([row.sha256 for row in opened.held_out], seen)
    new_right, new_loss = _ask(staged, opened, kept)
    live_right, live_loss = _ask(base / str(live), opened, kept)
    if new_loss is None or live_loss is None:
        # One that cannot tell all probabilities is not compared by them.
        new_loss = live_loss = p_loss = None
    else:
        p_loss = float(sign_flip(new_loss - live_loss))
    result: dict[str, Any] = {
        "n": len(kept),
        "left_out": count - len(kept),
        "learned_known": theirs.is_file(),
        "live_version": live,
        "only_new": int((new_right & ~live_right).sum()),
        "only_live": int((live_right & ~new_right).sum()),
        "new": _scores(new_right, new_loss),
        "live": _scores(live_right, live_loss),
    }
    result |= p_values(result["only_new"], result["only_live"], p_loss)
    return result | {"winner": winner(result)}


def p_values(only_new: int, only_live: int, p_loss: float | None) -> dict[str, Any]:
    """Return how likely such differences are by chance, each alone and by Holm.

    Of images on which only one version is right, and of the cross-entropies, whose
    p-value is None where they are not known.
    """
    p = mcnemar(only_new, only_live)
    held = holm([p] if p_loss is None else [p, p_loss])
    p_loss_holm = None if p_loss is None else held[1]
    return {"p": p, "p_loss": p_loss, "p_holm": held[0], "p_loss_holm": p_loss_holm}


def winner(result: dict[str, Any]) -> str:
    """Return `new`, `live` or `tie` by the rule of this module's first lines."""
    ahead = result["only_new"] - result["only_live"]
    if result["p_holm"] <= SIGNIFICANT:
        return "new" if ahead > 0 else "live"
    if result["p_loss_holm"] is not None and result["p_loss_holm"] <= SIGNIFICANT:
        gain = result["live"]["loss"] - result["new"]["loss"]
        if ahead * gain >= 0:
            return "new" if gain > 0 else "live"
    return "tie"


def unseen(digests: Sequence[str], seen: Collection[str]) -> list[int]:
    """Return the places of images that neither version has learned from, each once."""
    # Equal files are no further images: a test counts each once.
    first = {digests[i]: i for i in reversed(range(len(digests)))}
    kept = sorted(i for digest, i in first.items() if digest[:DIGITS] not in seen)
    if len(kept) < _FEWEST:
        raise UserError(
            f"--only_if_better: of {len(digests)} test images, all but {len(kept)} are "
            "equal files or were learned from, so they cannot be compared on them. "
            "Give this run "
            "a test split of the live version's, by train's --data.splits, or leave "
            "the flag out."
        )
    return kept


def _ask(
    model: Path, opened: Opened, kept: Sequence[int]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return where a version is right, and its cross-entropies where it has them."""
    files = [opened.held_out[i] for i in kept]
    label = np.asarray(opened.label)[list(kept)]
    full = signatures.ALL in signatures.definitions(model)
    signature = signatures.ALL if full else signatures.BYTES
    right, loss = np.zeros(len(label), bool), np.zeros(len(label))
    first = 0
    title = f"compare: version {model.name}" if model.name.isdigit() else "compare: new"
    with progress.bar(len(label), title, "image") as bar:
        for answers in ask_process.stream(model, files, signature):
            rows = slice(first, first + len(answers["valid"]))
            if full:
                # What is no number is no probability.
                chance = np.nan_to_num(np.array(answers["probabilities"], np.float64))
                true = np.take_along_axis(chance, label[rows, None], axis=1)[:, 0]
                best = (chance.argmax(axis=1) == label[rows]) & (true > 0)
                right[rows] = best & np.asarray(answers["valid"])
                loss[rows] = -np.log(np.maximum(true, 1e-7))
            else:
                # Of an image that cannot be read no class is named.
                names = [names[0] for names in answers["labels"]]
                right[rows] = [opened.ready.labels[k] for k in label[rows]] == np.array(
                    names
                )
            first = rows.stop
            bar.update(len(answers["valid"]))
    return right, loss if full else None


def _scores(right: np.ndarray, loss: np.ndarray | None) -> dict[str, float | None]:
    mean = None if loss is None else float(loss.mean())
    return {"accuracy": float(right.mean()), "loss": mean}
