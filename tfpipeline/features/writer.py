"""What `features` writes and says of what it has looked at."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.core import image_io, progress, result_dir
from tfpipeline.core.checks import Check, if_asked
from tfpipeline.core.console import Closing
from tfpipeline.core.errors import UserError
from tfpipeline.features import channels as single
from tfpipeline.features import layer_maps
from tfpipeline.features.channels import Channel
from tfpipeline.features.layer_maps import Looker, Photograph
from tfpipeline.metrics import classification
from tfpipeline.models import load_network
from tfpipeline.models.layer_outputs import LOGITS
from tfpipeline.models.load_network import Network
from tfpipeline.report import heatmaps as drawing
from tfpipeline.report.closing import closing
from tfpipeline.synthesize.ascent import Ascended


def check_some(good: Sequence[object], bad: Sequence[tuple[Path, str]]) -> None:
    """Refuse to go on where no photograph can be read.

    Args:
        good: The photographs.
        bad: Files that are none, and why.

    Raises:
        UserError: There is no photograph.
    """
    if not good:
        file, reason = bad[0]
        raise UserError(
            f"--images: expected at least one readable picture. {file}: {reason}."
        )


def write_photographs(
    output: Path, looker: Looker, good: Sequence[Photograph], top: int
) -> tuple[list[dict[str, Any]], dict[Channel, list[float]]]:
    """Write what the layers extract from each photograph, and what speaks for classes.

    Args:
        output: The folder.
        looker: The network.
        good: The photographs.
        top: Channels a sheet.

    Returns:
        For `features.json`, and how much each photograph excites each channel that is
        asked for.
    """
    taken, items = {"channels"}, []
    scores: dict[Channel, list[float]] = {c: [] for c in looker.wish.channels}
    for one in progress.over(good, "photographs", "image"):
        found = looker.look(one)
        folder = result_dir.own_name(one.path, taken)
        items.append(_write_photograph(output, looker, one, found, top, folder))
        for channel, of_each in scores.items():
            of_each.append(single.excitement(found, channel))
    return items, scores


def _write_photograph(
    output: Path,
    looker: Looker,
    photograph: Photograph,
    found: Mapping[str, np.ndarray],
    top: int,
    folder: str,
) -> dict[str, Any]:
    labels = looker.network.labels
    shares = classification.probabilities(found[LOGITS][None])[0]
    best = [int(i) for i in np.argsort(-shares, kind="stable")[:5]]
    told = []
    for number, name in enumerate(looker.wish.layers, 1):
        picture, numbers = layer_maps.sheet(found[name], top)
        file = f"{folder}/{number:02d}_{name.replace('/', '_')}.png"
        image_io.save_png(output / file, picture)
        channels = [
            {
                "channel": n,
                "mean": float(found[name][..., n].mean()),
                "max": float(found[name][..., n].max()),
            }
            for n in numbers
        ]
        shape = list(found[name].shape)
        told.append(
            {"layer": name, "shape": shape, "channels": channels, "sheet": file}
        )
    seen = layer_maps.overview(photograph, found, looker.wish.layers)
    image_io.save_png(output / folder / "overview.png", seen)
    classes = looker.wish.classes or best[:1]
    reasons = [looker.explain(photograph, index) for index in classes]
    rows = [
        (f"{labels[i]} {shares[i]:.3f}", reason["grad_cam"], reason["smooth_grad"])
        for i, reason in zip(classes, reasons)
    ]
    image_io.save_png(
        output / folder / "explained.png", drawing.explained(photograph.picture, rows)
    )
    explained = []
    for index, reason in zip(classes, reasons):
        explained.append(
            {
                "class": labels[index],
                "index": index,
                "probability": float(shares[index]),
                "grad_cam_layer": looker.explained_layer,
            }
        )
        for kind, heat in reason.items():
            file = f"{folder}/{kind}_{index}.png"
            image_io.save_png(output / file, drawing.heat(heat))
            explained[-1][kind] = file
            row, column = np.unravel_index(int(heat.argmax()), heat.shape)
            # Where nothing speaks for a class there is no place that does so most.
            peak = [int(row), int(column)] if heat.max() > 0 else None
            explained[-1][f"{kind}_peak"] = peak
    return {
        "image": str(photograph.path),
        "class": labels[best[0]],
        "index": best[0],
        "probability": float(shares[best[0]]),
        "top": [[labels[i], float(shares[i])] for i in best],
        "overview": f"{folder}/overview.png",
        "explained_sheet": f"{folder}/explained.png",
        "layers": told,
        "explained": explained,
    }


def write_channels(
    output: Path,
    good: Sequence[Photograph],
    scores: Mapping[Channel, Sequence[float]],
    made: Mapping[Channel, tuple[Ascended, int]],
) -> list[dict[str, Any]]:
    """Write each channel's ideal image, and beside it what excites it most.

    Args:
        output: The folder.
        good: The photographs.
        scores: How much each of them excites each channel.
        made: The ideal images.
    """
    found = []
    for (layer, number), own in scores.items():
        ascended, i = made[layer, number]
        picture = image_io.to_uint8(ascended.images[i])
        name = f"{layer.replace('/', '_')}_{number}"
        image_io.save_png(output / "channels" / f"{name}_ideal.png", picture)
        start, end = float(ascended.start_scores[i]), float(ascended.end_scores[i])
        rose = end > start
        sheet, order = single.sheet(picture, good, own, rose=rose)
        image_io.save_png(output / "channels" / f"{name}.png", sheet)
        found.append(
            {
                "layer": layer,
                "channel": number,
                "ideal": f"channels/{name}_ideal.png",
                "sheet": f"channels/{name}.png",
                "start_score": start,
                "end_score": end,
                "rose": rose,
                "woken": bool(ascended.cured[i]),
                "alive": bool(ascended.alive[i]),
                "photographs": [
                    {"image": str(good[n].path), "score": own[n]} for n in order
                ],
            }
        )
    return found


def result(
    network: Network,
    items: list[dict[str, Any]],
    channels: list[dict[str, Any]],
    bad: Sequence[tuple[Path, str]],
) -> dict[str, Any]:
    """Return what `features.json` holds.

    Args:
        network: That was asked.
        items: What `write_photographs` returned.
        channels: What `write_channels` returned.
        bad: Files that could not be read, and why.
    """

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
                "the score did not rise; its ideal image shows nothing.",
            ).told(),
            "gradient": Check(
                if_asked(len(channels), not dead),
                dead,
                "The channel has a gradient; without one nothing can rise.",
                "there is no gradient, so nothing can rise.",
            ).told(),
        },
        "summary": {
            **load_network.about(network),
            "images": len(items),
            "errors": len(bad),
            "channels": len(channels),
            "layers": [told["layer"] for told in items[0]["layers"]],
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
        fell=single.FELL,
        careful=load_network.careful(result["summary"]),
    )
