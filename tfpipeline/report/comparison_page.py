"""The page that compares runs: what came out, what differs, and is it chance?"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tfpipeline.core import file_io
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.metrics.significance import mcnemar, paired_interval
from tfpipeline.report import charts, html, pairs, run_data, run_page, target_comparison
from tfpipeline.report.figures import svg
from tfpipeline.report.run_data import RunFiles
from tfpipeline.report.story import Figure, Story

# Settings that say nothing of the result.
_FREE = ("workdir", "cache_dir", "overwrite")

Row = Mapping[str, Any]


def write(folders: Sequence[RunFolder], output: Path) -> Path:
    """Write the page of at least two finished runs, and return where it lies."""
    files = [run_data.read(folder) for folder in folders]
    links = [_link(folder, output) for folder in folders]
    if all(run.has_classes for run in files):
        html.write(output, "comparison.html", links=links, **content(files))
    else:
        html.write(
            output, "comparison_target.html", links=links, **_target_content(files)
        )
    return output


def _target_content(runs: Sequence[RunFiles]) -> dict[str, Any]:
    """Return what the page of several labels or of a number tells."""
    names = unique_names(runs)
    networks = [run_page.network(run.config) for run in runs]
    return {
        **target_comparison.content(runs, names, networks),
        "curve": _curves(names, runs),
        "differences": differences(runs),
    }


def content(runs: Sequence[RunFiles]) -> dict[str, Any]:
    """Return what the page tells."""
    names = unique_names(runs)
    right = [_right(run) for run in runs]
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "run": run,
            "result": run.metrics[run.split] if run.split else None,
            "network": run_page.network(run.config),
            "against": _against(right[0], own) if own is not right[0] else None,
        }
        for run, name, own in zip(runs, names, right)
    ]
    pairs.judge(rows)
    same_images = len({frozenset(own) for own in right}) == 1
    lowest = [row["run"].interval[0] for row in rows if row["result"]]
    return {
        "rows": rows,
        "story": _story(rows, same_images),
        "from_share": min(0.9, int(min(lowest) * 20) / 20) if lowest else None,
        "curve": _curves(names, runs),
        "differences": differences(runs),
        "same_images": same_images,
    }


def _link(folder: RunFolder, page: Path) -> str | None:
    """Return the address of the page of a run, seen from another page, if it exists."""
    if not folder.report.is_file():
        return None
    start = page.resolve().parent
    return quote(Path(os.path.relpath(folder.report.resolve(), start)).as_posix())


def _story(rows: Sequence[Row], same_images: bool) -> Story:
    """Return what the comparison comes to: a difference only where one is shown."""
    first, others = rows[0], rows[1:]
    against = [row for row in others if row["against"]]
    measured = [row for row in rows if row["result"]]
    shown = [row for row in against if row["against"]["shown"]]
    figures = []
    if measured:
        best = max(measured, key=_accuracy)
        interval = " to ".join(html.percent(end) for end in best["run"].interval)
        basis = f"{best['name']}; 95 % interval {interval}"
        share = html.percent(best["result"]["accuracy"])
        figures.append(Figure("Highest accuracy", share, basis))
    if against:
        figures.append(_difference(max(shown or against, key=_gain), first))
        shared = html.number(min(row["against"]["n"] for row in against))
        figures.append(Figure("Shared images", shared, "both runs were measured on"))
    headline = pairs.without_difference(
        rows,
        measured=bool(first["result"]),
        complete=len(measured) == len(rows),
        same_images=same_images,
    )
    if headline is None:
        headline = _shown(first, shown, len(others))
    return Story(headline, figures)


def _shown(first: Row, shown: Sequence[Row], others: int) -> str:
    """Return the headline where at least one run is shown to differ from the first."""
    best = max(shown, key=_gain)
    change = "more" if _gain(best) > 0 else "less"
    return (
        f"{best['name']} is {abs(100 * _gain(best)):.1f} points {change} accurate than "
        f"{first['name']}{pairs.how_many(len(shown), others)}"
    )


def _difference(row: Row, first: Row) -> Figure:
    against = row["against"]
    low, high = against["interval"]
    basis = (
        f"{row['name']} minus {first['name']}; 95 % interval {html.points(low)} to "
        f"{html.points(high)} points, p = {against['p_holm']:.2g}"
    )
    return Figure("Difference", f"{html.points(against['difference'])} points", basis)


def _gain(row: Row) -> float:
    return row["against"]["difference"]


def _accuracy(row: Row) -> float:
    return row["result"]["accuracy"] if row["result"] else -1.0


def unique_names(runs: Sequence[RunFiles]) -> list[str]:
    """Return what the folders are called, with as much of their paths as it takes."""
    paths = [run.folder.path.resolve().parts for run in runs]
    for depth in range(1, max(map(len, paths)) + 1):
        names = ["/".join(parts[-depth:]) for parts in paths]
        if len(set(names)) == len(names):
            break
    return names


def differences(runs: Sequence[RunFiles]) -> list[tuple[str, list[str]]]:
    """Return the settings in which runs differ, each with its value in every run."""
    flat = [_flat("", run.config) for run in runs]
    rows = {
        key: [str(settings.get(key, "–")) for settings in flat]
        for key in dict.fromkeys(key for settings in flat for key in settings)
        if key not in _FREE
    }
    return [(key, values) for key, values in rows.items() if len(set(values)) > 1]


def _flat(prefix: str, value: Any) -> dict[str, Any]:
    """Return settings by their dotted names."""
    if not isinstance(value, Mapping):
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        flat |= _flat(f"{prefix}.{key}" if prefix else str(key), inner)
    return flat


def _right(run: RunFiles) -> dict[str, bool]:
    """Return which measured images a run is right about, by their ids."""
    if not run.folder.predictions.is_file():
        return {}
    return {
        row["id"]: row["label"] == row["predicted"]
        for row in file_io.read_csv(run.folder.predictions)
        if row["split"] == run.split
    }


def _against(
    first: Mapping[str, bool], own: Mapping[str, bool]
) -> dict[str, Any] | None:
    """Return how two runs differ on the images that both were measured on."""
    both = first.keys() & own.keys()
    if not both:
        return None
    only_first = sum(first[name] and not own[name] for name in both)
    only_own = sum(own[name] and not first[name] for name in both)
    return {
        "n": len(both),
        "only_first": only_first,
        "only_own": only_own,
        "difference": (only_own - only_first) / len(both),
        "interval": paired_interval(only_first, only_own, len(both)),
        "p": mcnemar(only_first, only_own),
    }


def _curves(names: Sequence[str], runs: Sequence[RunFiles]) -> Any:
    """Return the validation loss of every run over its epochs, of eight at most."""
    lines = []
    for number, (name, run) in enumerate(zip(names[:8], runs[:8]), 1):
        losses = [row.get("val_loss") for row in run.history]
        if any(loss is not None for loss in losses):
            x = [float(i) for i in range(1, len(losses) + 1)]
            lines.append((f"{number}. {name}", x, losses))
    if not lines:
        return None
    chart = charts.lines(lines, "epoch", "validation loss")
    return svg(chart, "validation loss of each run over its epochs")
