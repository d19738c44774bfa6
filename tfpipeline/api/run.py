"""A finished training as an object: its data, what it predicts, and its figures."""

import contextlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import tfpipeline
from tfpipeline import cli
from tfpipeline.api import image_inputs, process_state
from tfpipeline.api.image_inputs import Sample
from tfpipeline.api.predictions import Predictions
from tfpipeline.api.result import Export, Gallery, Page, Result
from tfpipeline.config import RunSettings
from tfpipeline.core import file_io, image_io, startup
from tfpipeline.core import target as targets
from tfpipeline.core.errors import UserError, mendable, unknown
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.report import run_data, run_page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tfpipeline.evaluate.run_inputs import Ready


class Run:
    """A finished training. `Run.load` opens one, `tfpipeline.train` makes one."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.files = RunFolder(self.path).existing()
        self._kept: tuple[object, Ready] | None = None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Run":
        """Return the run in a folder; its classifier is read when it is needed.

        Raises:
            UserError: No finished run lies there.
        """
        return cls(path)

    @property
    def settings(self) -> RunSettings:
        """The settings that it was trained with."""
        return cli.of_run(self.files.config)

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names, in the order of the logits."""
        return tuple(file_io.read_lines(self.files.labels))

    @property
    def metrics(self) -> dict[str, Any]:
        """The content of `metrics.json`, with `validation` and `test`."""
        return run_data.read_json(self.files.metrics)

    @property
    def history(self) -> list[dict[str, Any]]:
        """A row an epoch: `stage`, `epoch`, `loss`, `accuracy`, `val_loss`, ..."""
        return run_data.read(self.files).history

    def __fspath__(self) -> str:
        """Return its folder: a run can be given wherever one is named."""
        return str(self.path)

    def __repr__(self) -> str:
        data = run_data.read(self.files)
        words = [run_page.network(data.config), f"{len(data.labels)} classes"]
        if data.split is not None and data.interval is not None:
            low, high = data.interval
            accuracy = data.metrics[data.split]["accuracy"]
            words.append(
                f"{data.split} accuracy {accuracy:.3f} ({low:.3f} to {high:.3f})"
            )
        return f"<run {self.path}: {', '.join(words)}>"

    def predict(
        self, images: Any, *, top_k: int = 3, output: str | None = None
    ) -> Predictions:
        """Return one prediction an image, its probabilities calibrated.

        Args:
            images: Names of files, folders, or globs; or arrays or images of Pillow:
                uint8, or float in [0, 1], rounded to 8 bits; shape (height, width, 3)
                or (n, height, width, 3); or a `Sample`.
            top_k: Classes to name, best first.
            output: A file in `.csv`, `.jsonl` or `.html` to write as well.

        Raises:
            UserError: A name means no file, or arrays are not as expected. An image
                that cannot be read has an error in its prediction instead.
        """
        if output is not None:
            settings = {"images": images, "top_k": top_k, "output": output}
            return tfpipeline.predict(model=self.path, **settings)
        with contextlib.ExitStack() as stack:
            stack.enter_context(process_state.preserve())
            stack.enter_context(mendable())
            with startup.quiet_start():
                from tfpipeline.evaluate import run_inputs
                from tfpipeline.predict import answers
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            ready = self._ready()
            ask = answers.of_ready(ready, run_inputs.calibration_of(self.files), top_k)
            words = image_inputs.write(images, Path(folder))
            rows = answers.rows(words, ask, top_k)
            named = image_inputs.are_files(images)
            return Predictions(rows, named=named, ranges=ready.ranges)

    def _ready(self) -> "Ready":
        """Return the classifier in memory; read again when its file has changed."""
        from tfpipeline.evaluate import run_inputs

        about = self.files.existing().model.stat()
        mark = (about.st_ino, about.st_mtime_ns, about.st_size)
        if self._kept is None or self._kept[0] != mark:
            self._kept = mark, run_inputs.ready(self.files)
        return self._kept[1]

    def sample(self, n: int = 8, *, split: str = "test") -> Sample:
        """Return at most `n` of its own examples, as its network is shown them.

        They are evenly spread over the classes; `split` is `train`, `validation`, or
        `test`.

        Raises:
            UserError: There are none, or they are not there any more.
        """
        with process_state.preserve(), mendable():
            with startup.quiet_start():
                from tfpipeline.evaluate import sampling
            images, labels, ids = sampling.sample(
                self.files, self.settings, self.labels, split, n
            )
        return Sample(images.astype(np.float32) / 255, tuple(labels), tuple(ids))

    def evaluate(self, source: str | None = None, **settings: Any) -> Result:
        """Measure it by `tfpipeline.evaluate`; on its own test images by default."""
        return tfpipeline.evaluate(run=self.path, source=source, **settings)

    def export(self, output: str | os.PathLike[str], **settings: Any) -> Export:
        """Write a version below `output` by `tfpipeline.export`."""
        return tfpipeline.export(run=self.path, output=output, **settings)

    def synthesize(
        self, classes: str | Sequence[str] | None = None, **settings: Any
    ) -> Result:
        """Make ideal images by `tfpipeline.synthesize`; of all classes by default."""
        chosen = list(self.labels) if classes is None else classes
        return tfpipeline.synthesize(run=self.path, classes=chosen, **settings)

    def features(self, images: Any, **settings: Any) -> Result:
        """Show what it sees by `tfpipeline.features`; images as for `predict`."""
        return tfpipeline.features(run=self.path, images=images, **settings)

    def similar(self, images: Any, **settings: Any) -> Result:
        """Find its nearest training pictures by `tfpipeline.similar`."""
        return tfpipeline.similar(run=self.path, images=images, **settings)

    def monitor(self, images: Any, **settings: Any) -> Result:
        """Tell whether images are still like its own by `tfpipeline.monitor`."""
        return tfpipeline.monitor(run=self.path, images=images, **settings)

    def attack(self, images: Any, **settings: Any) -> Result:
        """Attack it by `tfpipeline.attack`; images as for `predict`."""
        return tfpipeline.attack(run=self.path, images=images, **settings)

    def show_curves(self) -> "Figure":
        """Return loss and accuracy over the epochs of all stages."""
        from tfpipeline.report import charts

        data = run_data.read(self.files)
        if not data.history:
            raise UserError(f"{self.path}: its history holds no epoch.")
        return charts.curves(data.history, data.manifest.get("kept_epoch"))

    def show_confusion(self, split: str | None = None) -> "Figure":
        """Return the confusion matrix; of many classes, those with most errors.

        The split is `test` or `validation`; the best one there is by default.
        """
        from tfpipeline.report import charts

        data = self._of_classes("show_confusion")
        splits = data.diagnosis.get("splits", {})
        chosen = split or data.split or ""
        if chosen not in splits:
            raise unknown("split", chosen, splits)
        matrix = splits[chosen]["confusion"]
        return charts.confusion(matrix["labels"], matrix["counts"], f"{chosen} images")

    def show_top_losses(self, n: int = 6, *, grad_cam: bool = True) -> "Figure":
        """Return the held-out images with the highest loss, at most 12.

        With Grad-CAM, each has beside it where the network looked.
        """
        return self._gallery("top_losses", n, grad_cam)

    def show_suspects(self, n: int = 6) -> "Figure":
        """Return the images whose labels look wrong, at most 12, worst first."""
        return self._gallery("suspected", n, False)

    def _of_classes(self, what: str) -> run_data.RunFiles:
        """Return its files; refuse a target without single classes."""
        data = run_data.read(self.files)
        target = data.decision.get("target", targets.SINGLE)
        targets.expect(target, what, "Its page and predictions.csv have what there is.")
        return data

    def _gallery(self, kind: str, n: int, grad_cam: bool) -> "Figure":
        from tfpipeline.report import charts

        rows = [
            row
            for row in self._of_classes(kind).diagnosis.get(kind, [])
            if (self.path / row.get("picture", "?")).is_file()
        ][:n]
        if not rows:
            raise UserError(f"{self.path}: there are no such images.")
        keys = ["picture", "grad_cam"] if grad_cam else ["picture"]
        images = [
            np.hstack([image_io.decode(self.path / row[key]) for key in keys])
            for row in rows
        ]
        captions = [
            f"{row['label']}\ncalled {row['predicted']}, {row['probability']:.2f}\n"
            f"loss {row['loss']:.2f}"
            for row in rows
        ]
        return charts.gallery(images, captions)

    def show_batch(self) -> Gallery:
        """Return a training batch as the network saw it."""
        return Gallery([("as the network saw it", self.files.figures / "batch.png")])

    def show_report(self) -> Page:
        """Return its page, for a notebook to show; it is made where there is none."""
        if not self.files.report.is_file():
            run_page.write(self.files)
        return Page(self.files.report)
