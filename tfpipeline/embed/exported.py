"""From the pictures of a shard to their features, by a SavedModel that was exported."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.config import ModelSettings
from tfpipeline.config.embed import EmbedSettings
from tfpipeline.core import image_formats, image_io
from tfpipeline.core.brightness import Ranges
from tfpipeline.core.errors import UserError
from tfpipeline.data import sample_ranges
from tfpipeline.data.scan_cache import Row
from tfpipeline.data.sources import jpeg_damage, pictures
from tfpipeline.data.sources.pictures import Picture
from tfpipeline.embed import network
from tfpipeline.export.signatures import FEATURES, Loaded
from tfpipeline.models import arithmetic
from tfpipeline.models.engines.names import LITERT
from tfpipeline.predict import answers, sharded
from tfpipeline.shards.plan import Plan
from tfpipeline.shards.work import Content


@dataclasses.dataclass(frozen=True)
class Embedder:
    """A SavedModel from encoded pictures to vectors.

    Args:
        model: In this process.
        ranges: What is black and white for it.
        width: Length of a feature vector.
        settings: Of the command.
        max_images: That it takes in a request.
    """

    model: Loaded
    ranges: Ranges
    width: int
    settings: EmbedSettings
    max_images: int

    @property
    def named(self) -> Mapping[str, Any]:
        """Return by which settings it can be built: by none."""
        return {}

    def begin(self, plan: Plan) -> None:
        """Do nothing: what computes is in the SavedModel."""

    def about(self) -> Mapping[str, Any]:
        """Return everything that a row depends on, save the picture; plain JSON."""
        return {
            "network": sharded.fingerprint(str(self.model.folder)),
            "width": self.width,
            "dtype": self.settings.dtype,
            "batch_size": self.settings.batch_size,
            "decoding": image_io.RULES,
            "switches": [str(switch) for switch in arithmetic.switches()],
            "max_pixels": self.settings.max_pixels,
        }

    def compute(self, shard: list[Picture]) -> Content:
        """Return a row for each picture, and a vector for each that can be read."""
        return self.of_files(shard, pictures.audit(shard, self.settings.max_pixels))

    def of_files(self, shard: Sequence[Picture], files: Sequence[Row]) -> Content:
        """Return the same of pictures that were audited."""
        reasons = [file.reason for file in files]
        good = [place for place, reason in enumerate(reasons) if not reason]
        sample_ranges.report([files[place] for place in good], self.ranges)
        vectors: dict[int, np.ndarray | None] = {}
        together = min(self.settings.batch_size, self.max_images)

        def ask(places: Sequence[int], as_png: bool, size: int) -> None:
            for begin in range(0, len(places), size):
                some = places[begin : begin + size]
                answered = self._ask([files[place] for place in some], as_png)
                for place, (vector, reasons[place]) in zip(some, answered):
                    if not reasons[place]:
                        vectors[place] = vector

        with jpeg_damage.named([files[place] for place in good]):
            left = good
            # What the graph does not read, it is asked about once more, as PNG.
            for as_png in (False, True):
                ask(left, as_png, together)
                # Some were good, and had too much beside them.
                whys = [(place, reasons[place]) for place in left]
                crowded = [p for p, why in whys if why.endswith(image_formats.TOGETHER)]
                ask(crowded, as_png, 1)
                left = [place for place in left if place not in vectors]
                left = [p for p in left if not image_formats.is_too_large(reasons[p])]
        rows = [vectors[place] for place in sorted(vectors)]
        array = np.array(rows, self.settings.dtype).reshape(-1, self.width)
        return network.content(shard, files, reasons, array)

    def _ask(
        self, files: Sequence[Row], as_png: bool
    ) -> list[tuple[np.ndarray | None, str]]:
        """Return a vector for each file, or why there is none."""
        contents: list[bytes] = []
        for row in files:
            try:
                contents.append(answers.sent(row, as_png, self.ranges))
            except image_formats.ImageError:
                contents.append(b"")
        outputs = self.model(contents, FEATURES)
        whys = [error.decode() for error in outputs["error"]]
        return [
            (vector, "" if valid else why)
            for vector, valid, why in zip(outputs["features"], outputs["valid"], whys)
        ]


def version_of(settings: EmbedSettings) -> Path | None:
    """Return the SavedModel that `--run` names; None where it names a run, or none."""
    return None if settings.run is None else answers.version_of(Path(settings.run))


def open_embedder(version: Path, settings: EmbedSettings) -> Embedder:
    """Load a SavedModel.

    Raises:
        UserError: It has no signature for features, or other flags name a network too.
    """
    if settings.engine == LITERT:
        raise UserError(
            f"--engine {settings.engine} with --run {settings.run}: expected a run, or "
            "--model. A SavedModel is computed by TensorFlow. Leave --engine out."
        )
    if settings.model != ModelSettings() or (settings.range, settings.resize) != (
        "full",
        None,
    ):
        raise UserError(
            "--run with --model, --range or --resize: expected one of them; a "
            "SavedModel has all of these. Leave the others out."
        )
    try:
        model = Loaded(version)
        width = model.signatures[FEATURES].structured_outputs["features"].shape[-1]
    except (OSError, KeyError, ValueError) as error:
        raise UserError(
            f"--run {settings.run}: expected a run or a SavedModel that `python -m "
            f"tfpipeline.export` wrote, but it cannot be read ({error})."
        ) from None
    ranges = answers.saved_ranges(version)
    return Embedder(model, ranges, int(width), settings, answers.max_images(version))
