"""From a run and pictures to the training pictures that are nearest to them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from tfpipeline.config.monitoring import SimilarSettings
from tfpipeline.core import (
    console,
    file_io,
    provenance,
    result_dir,
    run_dir,
    startup,
    text_table,
)
from tfpipeline.core.errors import UserError, check_each
from tfpipeline.report.closing import closing

RESULT, PAGE = "similar.json", "similar.html"


def similar(settings: SimilarSettings) -> dict[str, Any]:
    """Find the training pictures nearest to each picture, by the run's features."""
    phases = provenance.Phases()
    if settings.run is None:
        raise UserError("--run: expected the folder of a finished run.")
    check_each("", settings, {"count": ("at least 1", settings.count >= 1)})
    run = run_dir.RunFolder(Path(settings.run)).existing()
    output = result_dir.new_result(
        settings.output, RESULT, overwrite=settings.overwrite
    )
    from tfpipeline.data.sources import listing

    paths = listing.named_files(settings.images)
    output.check([PAGE], paths)
    with phases("import"), startup.quiet_start():
        from tfpipeline.similar import embedding, page, search
    kept = embedding.reference_of(run)
    with phases("build"):
        network = embedding.Network(run)
    with phases("extract"):
        given = network.embed(paths, settings.max_pixels)
    with phases("search"):
        images = search.images(kept, network, given, settings.count, settings.metric)
    trained = kept.rows("train")
    result: dict[str, Any] = {
        "images": images,
        "errors": [{"image": str(p), "error": reason} for p, reason in given.bad],
        "summary": {
            "images": len(images),
            "agree": sum(item["class"] == item["nearest_class"] for item in images),
            "metric": settings.metric,
            "count": min(settings.count, len(trained)),
            "searched": len(trained),
            "trained_on": kept.of["train"],
            "run": str(run.path),
            **provenance.of_result(phases, 0),
        },
    }
    with output.recording():
        page.write(output.folder / PAGE, result, network.ranges)
        file_io.write_json(output.folder / RESULT, result)
    console.table(_table(result, text_table.terminal_width()))
    console.close(
        closing("similar", output.folder / PAGE, RESULT, result=result, file=RESULT)
    )
    return result | {"written": console.written(output.folder, output.folder / PAGE)}


def _table(result: dict[str, Any], most: int) -> str:
    """Return a row a picture: its class, and those of its nearest pictures."""
    lines: list[tuple[str, ...]] = [
        (
            item["image"],
            item["class"],
            f"{item['neighbours'][0]['distance']:.3f}",
            ", ".join(
                f"{label} {n}" if n > 1 else label
                for label, n in Counter(
                    one["label"] for one in item["neighbours"]
                ).most_common()
            ),
            item["neighbours"][0]["id"],
        )
        for item in result["images"]
    ]
    lines += [(row["image"], row["error"]) for row in result["errors"]]
    header = ("file", "class", "nearest", "classes of the nearest", "the nearest")
    return text_table.table(header, lines, most, right=("nearest",))
