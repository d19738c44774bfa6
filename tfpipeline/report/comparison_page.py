"""The page that compares runs: what came out, what differs, and is it chance?"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfpipeline.core import file_io
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.metrics.significance import holm, mcnemar
from tfpipeline.report import charts, html, run_data, run_page
from tfpipeline.report.figures import svg
from tfpipeline.report.run_data import RunFiles

# Settings that say nothing of the result.
_FREE = ("workdir", "cache_dir", "overwrite")


def write(folders: Sequence[RunFolder], output: Path) -> Path:
    """Write the page, and return where it lies.

    Args:
        folders: Of finished runs, at least two.
        output: The page.
    """
    html.write(
        output, "comparison.html", **content([run_data.read(f) for f in folders])
    )
    return output


def content(runs: Sequence[RunFiles]) -> dict[str, Any]:
    """Return what the page tells.

    Args:
        runs: The files of the runs.
    """
    names = unique_names(runs)
    rows: list[dict[str, Any]] = []
    answers = [_answers(run) for run in runs]
    for run, name, own in zip(runs, names, answers):
        result = run.metrics[run.split] if run.split else None
        rows.append(
            {
                "name": name,
                "run": run,
                "result": result,
                "network": run_page.network(run.config),
                "against": _against(answers[0], own) if own is not answers[0] else None,
            }
        )
    told = [row["against"] for row in rows if row["against"]]
    for against, p in zip(told, holm([against["p"] for against in told])):
        against["p_holm"] = p
    measured = [
        (row["name"], row["result"]["accuracy"], *row["run"].interval)
        for row in rows
        if row["result"]
    ]
    best = max(rows, key=lambda r: r["result"]["accuracy"] if r["result"] else -1.0)
    return {
        "rows": rows,
        "best": best,
        "whiskers": (
            svg(charts.whiskers(measured), "accuracy of each run with its interval")
            if measured
            else None
        ),
        "curve": _curves(names, runs),
        "differences": differences(names, runs),
        "same_images": len({_measured(own) for own in answers}) == 1,
    }


def unique_names(runs: Sequence[RunFiles]) -> list[str]:
    """Return what the folders are called, with as much of their paths as it takes.

    Args:
        runs: The files of the runs.
    """
    paths = [run.folder.path.resolve().parts for run in runs]
    for depth in range(1, max(map(len, paths)) + 1):
        names = ["/".join(parts[-depth:]) for parts in paths]
        if len(set(names)) == len(names):
            break
    return names


def differences(
    names: Sequence[str], runs: Sequence[RunFiles]
) -> list[tuple[str, list[str]]]:
    """Return the settings in which runs differ, each with its value in every run.

    Args:
        names: Of the runs.
        runs: The files of the runs.
    """
    flat = [_flat("", run.config) for run in runs]
    keys = dict.fromkeys(key for one in flat for key in one)
    found = []
    for key in keys:
        values = [str(one.get(key, "–")) for one in flat]
        if key not in _FREE and len(set(values)) > 1:
            found.append((key, values))
    return found


def _flat(prefix: str, value: Any) -> dict[str, Any]:
    """Return settings by their dotted names."""
    if not isinstance(value, Mapping):
        return {prefix: value}
    found: dict[str, Any] = {}
    for key, inner in value.items():
        found |= _flat(f"{prefix}.{key}" if prefix else str(key), inner)
    return found


def _answers(run: RunFiles) -> dict[str, bool]:
    """Return which measured images a run is right about, by their ids."""
    if not run.folder.predictions.is_file():
        return {}
    return {
        row["id"]: row["label"] == row["predicted"]
        for row in file_io.read_csv(run.folder.predictions)
        if row["split"] == run.split
    }


def _measured(answers: Mapping[str, bool]) -> frozenset[str]:
    return frozenset(answers)


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
