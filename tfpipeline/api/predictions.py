"""Predictions of images, as a table that notebooks show."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from tfpipeline.core.brightness import Ranges
from tfpipeline.predict import contact_sheet

# Rows with a thumbnail, and rows at all, of a table in a notebook.
_PICTURED, _SHOWN, _PIXELS = 24, 200, 72


@dataclass(frozen=True)
class Prediction:
    """What a classifier predicts for one image.

    Args:
        id: The file, or the number of the image among those that were given.
        label: The likeliest class; empty where the image cannot be read.
        probability: Of that class, in [0, 1].
        top_k: The likeliest classes with their probabilities, best first.
        error: Why it cannot be read; empty where it can.
        accepted: Whether it is sure enough; None where no threshold is known.
        accepted_reason: Why none is known; empty where one is.
        novelty: How unlike it is the images of the run: 0 for a typical one, 1 at the
            limit. None where the model does not tell.
        known: Whether that is within the limit; None where none can be promised.
        said: Of several labels, those whose probabilities reach their thresholds, of
            which `label` is made, as `cat|dog`; None where one class is the answer.
        value: Of a number, itself, whose name is the `label`; None otherwise.
        low: Lower end of its interval; None where there is none.
        high: Upper end.
    """

    id: str
    label: str
    probability: float
    top_k: tuple[tuple[str, float], ...]
    error: str = ""
    accepted: bool | None = None
    accepted_reason: str = ""
    novelty: float | None = None
    known: bool | None = None
    said: tuple[str, ...] | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any], name: str) -> "Prediction":
        """Return a row of the command `predict`, of an image with a name."""
        error = row["error"]
        strange: dict[str, Any] = {key: row.get(key) for key in ("novelty", "known")}
        if "value" in row:
            numbers: dict[str, Any] = {
                key: row.get(key) for key in ("value", "low", "high")
            }
            return cls(name, row["quantity"], 0.0, (), error, **numbers, **strange)
        if "labels" in row:
            ranked = tuple(row["probabilities"].items())
            best = ranked[0][1] if ranked else 0.0
            said = tuple(row["labels"])
            own = "|".join(said), best, ranked, error
            return cls(name, *own, said=said, **strange)
        return cls(
            name,
            row["label"],
            float(row["probability"] or 0.0),
            tuple((label, share) for label, share in row["top_k"]),
            error,
            row.get("accepted"),
            row.get("accepted_reason", ""),
            **strange,
        )


class Predictions(list[Prediction]):
    """What a classifier predicts for images, in their order.

    Args:
        rows: As the command `predict` makes them.
        named: Whether the images are files that the user named; otherwise they are
            called by their numbers.
        ranges: What is black and white for the classifier; None where it is not known.
    """

    def __init__(
        self,
        rows: Sequence[Mapping[str, Any]],
        *,
        named: bool = True,
        ranges: Ranges | None = None,
    ):
        files = [str(row["id"]) for row in rows[:_PICTURED]]
        self._thumbnails = contact_sheet.small_copies(files, _PIXELS, ranges)
        super().__init__(
            Prediction.of(row, str(row["id"]) if named else str(number))
            for number, row in enumerate(rows)
        )

    @property
    def labels(self) -> list[str]:
        """The likeliest class of each image."""
        return [row.label for row in self]

    def __repr__(self) -> str:
        lines = [
            f"{row.id}: {row.error or f'{row.label} {_share(row)}'}"
            for row in self[:_SHOWN]
        ]
        return "\n".join([*lines, *self._unknown()]) or "<no pictures>"

    def _unknown(self) -> list[str]:
        """Return why it is not known which of them are sure enough."""
        reasons = dict.fromkeys(row.accepted_reason for row in self)
        return [f"accepted is not known: {reason}" for reason in reasons if reason]

    def _repr_html_(self) -> str:
        return (
            "<table><tr><th></th><th>picture</th><th>class</th><th>probability</th>"
            f"<th>next</th></tr>{''.join(self._cells())}</table>"
        )

    def _cells(self) -> Iterator[str]:
        for row, small in itertools.zip_longest(self[:_SHOWN], self._thumbnails):
            image = f'<img src="{small}" alt="">' if small else ""
            runners_up = ", ".join(
                f"{name} {share:.3f}" for name, share in row.top_k[1:]
            )
            texts = row.id, row.label, _share(row), runners_up
            if row.error:
                texts = row.id, "", "", row.error
            cells = "".join(f"<td>{escape(text)}</td>" for text in texts)
            yield f"<tr><td>{image}</td>{cells}</tr>"
        if len(self) > _SHOWN:
            left = len(self) - _SHOWN
            yield f'<tr><td colspan="5">and {left} more</td></tr>'
        for line in self._unknown():
            yield f'<tr><td colspan="5">{escape(line)}</td></tr>'


def _share(row: Prediction) -> str:
    strange = ", unknown" if row.known is False else ""
    if row.value is not None:
        ends = "" if row.low is None else f" ({row.low:.6g} to {row.high:.6g})"
        return f"{row.value:.6g}{ends}{strange}"
    doubt = ", not accepted" if row.accepted is False else ""
    return f"{row.probability:.3f}{doubt}{strange}"
