"""Grad-CAM for pictures that are sent to a server, by the run that was exported."""

from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

from tfpipeline.config import ModelSettings
from tfpipeline.config.synthesis import FeaturesSettings
from tfpipeline.core import file_io, image_io, run_dir
from tfpipeline.core.errors import UserError
from tfpipeline.export import compare, protocol
from tfpipeline.features.layer_maps import Inspector, Photograph
from tfpipeline.models import load_network
from tfpipeline.models.class_names import ClassNames
from tfpipeline.report import heatmaps
from tfpipeline.serve.near_pictures import NearPictures


class GradCam:
    """A run that explains pictures one after another; it is loaded by the first.

    Args:
        run: Its folder.
        version: Folder of the version whose answers are explained.

    Raises:
        UserError: No finished run, or one with other class names than the version's.
    """

    def __init__(self, run: str, version: Path) -> None:
        self._run = run_dir.RunFolder(Path(run)).existing()
        own = ClassNames(file_io.read_lines(self._run.labels))
        file = version / compare.LABELS
        served = file_io.read_lines(file) if file.is_file() else []
        if difference := own.difference(served, "this run", "the version"):
            raise UserError(
                f"--run {run}: expected the run that {version} was exported from, but "
                f"it has other classes. {difference} Name that run, or leave --run out."
            )
        # One thread: a network that explains needs much memory.
        self._pool = ThreadPoolExecutor(1)

    @cached_property
    def _inspector(self) -> Inspector:
        network = load_network.open_network(str(self._run.path), ModelSettings())
        inspector = Inspector(FeaturesSettings(), network)
        if not inspector.explained:
            raise UserError(f"{network.name} has no layer whose output is a map.")
        return inspector

    @cached_property
    def _near(self) -> NearPictures:
        return NearPictures(self._run, self._inspector.network)

    def submit(self, content: bytes) -> "Future[dict[str, Any]]":
        """Explain an encoded image, after those that were sent before.

        Returns:
            In the future `picture`, a PNG in base 64 of the size of the network's
            input; `label`, the class that the run puts first, for which it speaks; and
            `empty`, whether nothing speaks for that; and `near`, the training pictures
            nearest to it, see `NearPictures.of`. Or the error: `ImageError` where
            the image cannot be read, `UserError` where the run cannot be used.
        """
        return self._pool.submit(self._explain, content)

    def _explain(self, content: bytes) -> dict[str, Any]:
        inspector = self._inspector
        network = inspector.network
        how = *network.size, network.resize, network.ranges
        picture = image_io.read(content, *how)
        index = int(network.logits(picture[None])[0].argmax())
        heat = inspector.grad_cam(Photograph(Path(), picture), index)
        shown = image_io.to_png(heatmaps.over(picture, heat))
        return {
            "picture": protocol.in_base_64(shown),
            "label": network.labels[index],
            "empty": bool(heat.max() <= 0),
            "near": self._near.of(picture),
        }
