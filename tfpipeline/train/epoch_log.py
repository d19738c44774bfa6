"""One line an epoch, in columns: a terminal, a pipe and a notebook show the same."""

from collections.abc import Mapping

# What a row of `history.csv` has beside its metrics.
_OTHERS = ("stage", "epoch", "learning_rate")

_IN_UNIT = ("mae", "val_mae")

_NAMES = {
    **{"accuracy": "acc", "val_accuracy": "val_acc"},
    **{"label_accuracy": "label_acc", "val_label_accuracy": "val_l_acc"},
}


def header(row: Mapping[str, object], epochs: int) -> str:
    """Return the names of the columns, above the line of the first epoch."""
    names = [_NAMES.get(name, name) for name in row if name not in _OTHERS]
    cells = "".join(f"{name:>10}" for name in names)
    return f"{'epoch':<{_width(epochs)}}{cells}{'rate':>10}{'seconds':>9}"


def line(
    row: Mapping[str, str | float], epoch: int, epochs: int, seconds: float, best: bool
) -> str:
    """Return the line of an epoch, which may be the best so far."""
    values = {n: float(v) for n, v in row.items() if n not in _OTHERS}
    cells = "".join(_cell(name, value) for name, value in values.items())
    rate = float(row["learning_rate"])
    place = f"{epoch}/{epochs}"
    end = "  best" if best else ""
    return f"{place:<{_width(epochs)}}{cells}{rate:>10.1e}{seconds:>9.1f}{end}"


def _cell(name: str, value: float) -> str:
    """Return a metric in ten columns, whatever its size, apart from its neighbour."""
    small = name in _IN_UNIT and 0 < abs(value) < 1e-3
    if small or abs(value) >= 9_999:
        return f"{value:>10.3e}"
    return f"{value:>10.4f}"


def _width(epochs: int) -> int:
    return max(len("epoch"), len(f"{epochs}/{epochs}"))
