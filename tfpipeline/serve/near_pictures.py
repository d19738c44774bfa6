"""The training pictures nearest to one that is sent to a server."""

import contextlib
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.core import image_io, run_dir
from tfpipeline.core.image_formats import ImageError
from tfpipeline.export import protocol
from tfpipeline.metrics import nearest
from tfpipeline.models import classifier, reference
from tfpipeline.models.load_network import Network
from tfpipeline.report.neighbours import COUNT, PIXELS


class NearPictures:
    """Search among the training pictures of a run that has kept their features.

    Args:
        run: The run.
        network: Its classifier.
    """

    def __init__(self, run: run_dir.RunFolder, network: Network) -> None:
        self._network = network
        self._kept = reference.read(run) if run.reference.is_dir() else None
        self._rows = None if self._kept is None else self._kept.rows("train")
        self._extractor, _ = classifier.split_classifier(network.model)

    def of(self, picture: np.ndarray) -> list[dict[str, Any]]:
        """Return the nearest training pictures, the nearest first.

        Args:
            picture: uint8 of the size of the network's input.

        Returns:
            `label`, the cosine `distance`, and `picture`, a PNG in base 64, or None
            where the file is gone. Nothing where the run has kept no features.
        """
        kept, rows = self._kept, self._rows
        if kept is None or rows is None or not len(rows):
            return []
        image = picture[None].astype(np.float32) / 255
        features = self._extractor(image, training=False)
        near, far = nearest.nearest(np.asarray(features), kept.features[rows], COUNT)
        return [
            {
                "label": kept.label[i],
                "distance": float(distance),
                "picture": self._small(Path(kept.path[i])),
            }
            for i, distance in zip(rows[near[0]].tolist(), far[0])
        ]

    def _small(self, file: Path) -> dict[str, str] | None:
        how = PIXELS, PIXELS, self._network.resize, self._network.ranges
        with contextlib.suppress(ImageError, OSError):
            return protocol.in_base_64(image_io.to_png(image_io.read(file, *how)))
        return None
