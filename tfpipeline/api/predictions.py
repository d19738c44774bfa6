"""What a classifier says of pictures, as a table that notebooks show."""

import base64
import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, overload

from PIL import Image

from tfpipeline.core import image_formats, image_io

# Rows with a small picture, and rows at all, of a table in a notebook.
_PICTURED, _SHOWN, _PIXELS = 24, 200, 72


@dataclass(frozen=True)
class Prediction:
    """What a classifier says of one picture.

    Args:
        id: The file, or the number of the picture among those that were given.
        label: The likeliest class; empty where the picture cannot be read.
        probability: Of that class, in [0, 1].
        top_k: The likeliest classes with their probabilities, best first.
        error: Why it cannot be read; empty where it can.
        accepted: Whether it is sure enough; None where no threshold is known.
        accepted_reason: Why none is known; empty where one is.
    """

    id: str
    label: str
    probability: float
    top_k: tuple[tuple[str, float], ...]
    error: str = ""
    accepted: bool | None = None
    accepted_reason: str = ""


class Predictions(Sequence[Prediction]):
    """What a classifier says of pictures, in their order.

    Args:
        rows: As `predict` makes them: `id`, `label`, `probability`, `accepted`,
            `accepted_reason`, `top_k`, `error`.
        named: Whether the pictures are files that the user named; otherwise they are
            called by their numbers.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]], *, named: bool = True):
        self._small = [_small(str(row["id"])) for row in rows[:_PICTURED]]
        self._rows = [
            Prediction(
                str(row["id"]) if named else str(number),
                row["label"],
                float(row["probability"] or 0.0),
                tuple((label, share) for label, share in row["top_k"]),
                row["error"],
                row.get("accepted"),
                row.get("accepted_reason", ""),
            )
            for number, row in enumerate(rows)
        ]

    @overload
    def __getitem__(self, index: int) -> Prediction: ...

    @overload
    def __getitem__(self, index: slice) -> list[Prediction]: ...

    def __getitem__(self, index: int | slice) -> Prediction | list[Prediction]:
        """Return one, or some."""
        return self._rows[index]

    def __len__(self) -> int:
        """Return how many pictures there were."""
        return len(self._rows)

    @property
    def labels(self) -> list[str]:
        """The likeliest class of each picture."""
        return [row.label for row in self._rows]

    def __repr__(self) -> str:
        """Return a line a picture."""
        lines = [
            f"{row.id}: {row.error or f'{row.label} {_share(row)}'}"
            for row in self._rows[:_SHOWN]
        ]
        return "\n".join([*lines, *self._unknown()]) or "<no pictures>"

    def _unknown(self) -> list[str]:
        """Return why it is not known which of them are sure enough."""
        reasons = dict.fromkeys(row.accepted_reason for row in self._rows)
        return [f"accepted is not known: {reason}" for reason in reasons if reason]

    def _repr_html_(self) -> str:
        """Return a table for notebooks."""
        return (
            "<table><tr><th></th><th>picture</th><th>class</th><th>probability</th>"
            f"<th>next</th></tr>{''.join(self._cells())}</table>"
        )

    def _cells(self) -> Iterator[str]:
        for number, row in enumerate(self._rows[:_SHOWN]):
            small = self._small[number] if number < len(self._small) else ""
            image = f'<img src="{small}" alt="">' if small else ""
            told = row.label, _share(row), _words(row.top_k[1:])
            if row.error:
                told = "", "", row.error
            cells = "".join(f"<td>{escape(cell)}</td>" for cell in (row.id, *told))
            yield f"<tr><td>{image}</td>{cells}</tr>"
        if len(self._rows) > _SHOWN:
            left = len(self._rows) - _SHOWN
            yield f'<tr><td colspan="5">and {left} more</td></tr>'
        for line in self._unknown():
            yield f'<tr><td colspan="5">{escape(line)}</td></tr>'


def _share(row: Prediction) -> str:
    doubt = ", not accepted" if row.accepted is False else ""
    return f"{row.probability:.3f}{doubt}"


def _words(ranked: Sequence[tuple[str, float]]) -> str:
    return ", ".join(f"{label} {share:.3f}" for label, share in ranked)


def _small(file: str) -> str:
    """Return a small picture as a data URI; nothing where it cannot be read."""
    with contextlib.suppress(image_formats.ImageError, OSError):
        found = Image.fromarray(image_io.decode(image_io.content(Path(file))))
        found.thumbnail((_PIXELS, _PIXELS))
        stream = io.BytesIO()
        found.save(stream, "JPEG", quality=80)
        return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
    return ""
