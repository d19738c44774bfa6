"""What `features` writes and says of what it has looked at."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.core import contact_sheets, image_io, progress, result_dir
from tfpipeline.core.checks import Check, if_asked
from tfpipeline.core.console import Closing
from tfpipeline.core.errors import UserError
from tfpipeline.features import layer_maps
from tfpipeline.features.channels import Channel
from tfpipeline.features.layer_maps import Inspector, Photograph
from tfpipeline.metrics import classification
from tfpipeline.models import load_network
from tfpipeline.models.layer_outputs import LOGITS
from tfpipeline.models.load_network import Network
from tfpipeline.report import heatmaps
from tfpipeline.report.closing import closing
from tfpipeline.synthesize.ascent import Ascended

FELL = "DID NOT RISE"

# Photographs beside the ideal image of a channel.
MOST_EXCITING = 8


def check_readable(good: Sequence[object], bad: Sequence[tuple[Path, str]]) -> None:
    """Refuse to go on where no photograph can be read."""
    if not good:
        file, reason = bad[0]
        raise UserError(
            f"--images: expected at least one readable picture. {file}: {reason}."
        )


def write_photographs(
    output: Path, inspector: Inspector, good: Sequence[Photograph], top: int
) -> tuple[list[dict[str, Any]], dict[Channel, list[float]]]:
    """Write what the layers extract from photographs, and what speaks for classes.

    Returns:
        For `features.json`, and the mean output of each channel for each photograph.
    """
    taken, items = {"channels"}, []
    scores: dict[Channel, list[float]] = {c: [] for c in inspector.channels}
    labels = inspector.network.labels
    for photograph in progress.over(good, "photographs", "image"):
        outputs = inspector.outputs(photograph)
        folder = output / result_dir.own_name(photograph.path, taken)
        picture = layer_maps.overview(photograph, outputs, inspector.layers)
        image_io.save_png(folder / "overview.png", picture)
        shares = classification.probabilities(outputs[LOGITS][None])[0].tolist()
        best = np.argsort(-np.array(shares), kind="stable")[:5].tolist()
        classes = [(i, shares[i]) for i in inspector.classes or best[:1]]
        items.append(
            {
                "image": str(photograph.path),
                "class": labels[best[0]],
                "index": best[0],
                "probability": shares[best[0]],
                "top": [[labels[i], shares[i]] for i in best],
                "overview": f"{folder.name}/overview.png",
                "explained_sheet": f"{folder.name}/explained.png",
                "layers": _write_layers(folder, inspector, outputs, top),
                "explained": _write_explained(folder, inspector, photograph, classes),
            }
        )
        for (layer, number), means in scores.items():
            means.append(float(outputs[layer][..., number].mean()))
    return items, scores


def _write_layers(
    folder: Path, inspector: Inspector, outputs: Mapping[str, np.ndarray], top: int
) -> list[dict[str, Any]]:
    layers = []
    for number, name in enumerate(inspector.layers, 1):
        maps, file = outputs[name], f"{number:02d}_{name.replace('/', '_')}.png"
        picture, numbers = layer_maps.sheet(maps, top)
        image_io.save_png(folder / file, picture)
        best = [(n, maps[..., n]) for n in numbers]
        layers.append(
            {
                "layer": name,
                "shape": list(maps.shape),
                "channels": [
                    {"channel": n, "mean": float(m.mean()), "max": float(m.max())}
                    for n, m in best
                ],
                "sheet": f"{folder.name}/{file}",
            }
        )
    return layers


def _write_explained(
    folder: Path,
    inspector: Inspector,
    photograph: Photograph,
    classes: Sequence[tuple[int, float]],
) -> list[dict[str, Any]]:
    """Write what speaks for classes, given with their probabilities."""
    explained, rows = [], []
    for index, probability in classes:
        label = inspector.network.labels[index]
        item: dict[str, Any] = {
            "class": label,
            "index": index,
            "probability": probability,
            "grad_cam_layer": ", ".join(inspector.explained),
        }
        heats = inspector.explain(photograph, index)
        title = f"{label} {probability:.3f}"
        rows.append((title, heats["grad_cam"], heats["smooth_grad"]))
        for kind, heat in heats.items():
            image_io.save_png(folder / f"{kind}_{index}.png", heatmaps.heat(heat))
            item[kind] = f"{folder.name}/{kind}_{index}.png"
            row, column = np.unravel_index(int(heat.argmax()), heat.shape)
            # Where nothing speaks for a class there is no place that does so most.
            item[f"{kind}_peak"] = [int(row), int(column)] if heat.max() > 0 else None
        explained.append(item)
    sheet = heatmaps.explained(photograph.picture, rows)
    image_io.save_png(folder / "explained.png", sheet)
    return explained


def write_channels(
    output: Path,
    good: Sequence[Photograph],
    scores: Mapping[Channel, Sequence[float]],
    ideals: Mapping[Channel, tuple[Ascended, int]],
) -> list[dict[str, Any]]:
    """Write each channel's ideal image, and beside it what excites it most."""
    channels = []
    for (layer, number), own in scores.items():
        ascended, i = ideals[layer, number]
        ideal = image_io.to_uint8(ascended.images[i])
        name = f"channels/{layer.replace('/', '_')}_{number}"
        image_io.save_png(output / f"{name}_ideal.png", ideal)
        start, end = float(ascended.start_scores[i]), float(ascended.end_scores[i])
        order = np.argsort(-np.asarray(own), kind="stable")[:MOST_EXCITING].tolist()
        pictures = [ideal, *(good[n].picture for n in order)]
        captions = [f"{own[n]:.3g} {good[n].path.name}" for n in order]
        captions = ["ideal image" if end > start else FELL, *captions]
        columns = min(3, len(pictures))
        sheet = contact_sheets.contact_sheet(pictures, captions, columns)
        image_io.save_png(output / f"{name}.png", sheet)
        channels.append(
            {
                "layer": layer,
                "channel": number,
                "ideal": f"{name}_ideal.png",
                "sheet": f"{name}.png",
                "start_score": start,
                "end_score": end,
                "rose": end > start,
                "woken": bool(ascended.cured[i]),
                "alive": bool(ascended.alive[i]),
                "photographs": [
                    {"image": str(good[n].path), "score": own[n]} for n in order
                ],
            }
        )
    return channels


def result(
    network: Network,
    items: list[dict[str, Any]],
    channels: list[dict[str, Any]],
    bad: Sequence[tuple[Path, str]],
) -> dict[str, Any]:
    """Return what `features.json` holds."""

    def whose(wrong: Callable[[dict[str, Any]], bool]) -> list[str]:
        return [f"{c['layer']}:{c['channel']}" for c in channels if wrong(c)]

    fallen = whose(lambda c: not c["rose"])
    dead = whose(lambda c: not (c["alive"] or c["rose"]))
    return {
        "images": items,
        "channels": channels,
        "errors": [{"image": str(path), "error": reason} for path, reason in bad],
        "checks": {
            "score_rose": Check(
                if_asked(len(channels), not fallen),
                fallen,
                "A channel's ideal image excites it more than its start.",
                "the score did not rise, so the ideal image shows nothing.",
            ).told(),
            "gradient": Check(
                if_asked(len(channels), not dead),
                dead,
                "The channel has a gradient, which optimisation needs.",
                "there is no gradient, so the score cannot rise.",
            ).told(),
        },
        "summary": {
            **load_network.about(network),
            "images": len(items),
            "errors": len(bad),
            "channels": len(channels),
            "layers": [layer["layer"] for layer in items[0]["layers"]],
        },
    }


def closing_words(
    result: Mapping[str, Any], output: Path, page: Path | None
) -> Closing:
    """Say in a few lines what was looked at, and what to be careful of."""
    return closing(
        "features",
        page or output / result["images"][0]["explained_sheet"],
        "features.json",
        result=result,
        fell=FELL,
        careful=load_network.careful(result["summary"]),
    )
