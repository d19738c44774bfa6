"""A finished training as an object: what it knows and is asked, and its figures."""

import contextlib
import os
import tempfile
from collections.abc import Mapping, Sequence
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
from tfpipeline.core.errors import UserError, mendable, unknown
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.report import run_data, run_page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tfpipeline.evaluate.run_inputs import Ready


class Run:
    """A finished training. `Run.load` opens one, `tfpipeline.train` makes one.

    Args:
        path: Its folder.

    Raises:
        UserError: No finished run lies there.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.files = RunFolder(self.path).existing()
        self._kept: tuple[object, Ready] | None = None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Run":
        """Return the run in a folder; its classifier is read when it is asked.

        Args:
            path: The folder.

        Raises:
            UserError: No finished run lies there.
        """
        return cls(path)

    @property
    def settings(self) -> RunSettings:
        """Everything that it was told."""
        return cli.of_run(self.files.config)

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names, in the order of the logits."""
        return tuple(file_io.read_lines(self.files.labels))

    @property
    def metrics(self) -> dict[str, Any]:
        """What came out: `metrics.json`, with `validation` and `test`."""
        return run_data.read_json(self.files.metrics)

    @property
    def history(self) -> list[dict[str, Any]]:
        """A row an epoch: `stage`, `epoch`, `loss`, `accuracy`, `val_loss`, ..."""
        return run_data.read(self.files).history

    def __fspath__(self) -> str:
        """Return its folder: a run can be given wherever one is named."""
        return str(self.path)

    def __repr__(self) -> str:
        """Say what was trained on what, and how well it does."""
        told = run_data.read(self.files)
        words = [run_page.network(told.config), f"{len(told.labels)} classes"]
        if told.split is not None and told.interval is not None:
            low, high = told.interval
            accuracy = told.metrics[told.split]["accuracy"]
            words.append(
                f"{told.split} accuracy {accuracy:.3f} ({low:.3f} to {high:.3f})"
            )
        return f"<run {self.path}: {', '.join(words)}>"

    def predict(
        self, images: Any, *, top_k: int = 3, output: str | None = None
    ) -> Predictions:
        """Return what the classifier says of pictures, its probabilities calibrated.

        Args:
            images: Names of files, folders, or globs; or arrays or pictures of Pillow:
                uint8, or float in [0, 1], rounded to 8 bits; shape (height, width, 3)
                or (n, height, width, 3); or a `Sample`.
            top_k: Classes to name, best first.
            output: A file in `.csv` or `.jsonl` to write as well.

        Returns:
            One prediction a picture; one that cannot be read says why.

        Raises:
            UserError: A name means no file, or arrays are not as expected.
        """
        if output is not None:
            told = {"images": images, "top_k": top_k, "output": output}
            return tfpipeline.predict(model=self.path, **told)
        with contextlib.ExitStack() as stack:
            stack.enter_context(process_state.preserved())
            stack.enter_context(mendable())
            with startup.quiet_start():
                from tfpipeline.evaluate import run_inputs
                from tfpipeline.predict import answers
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            ask = answers.of_ready(
                self._ready(), run_inputs.calibration_of(self.files), top_k
            )
            words = image_inputs.written(images, Path(folder))
            rows = answers.rows(words, ask, top_k)
            return Predictions(rows, named=image_inputs.are_files(images))

    def _ready(self) -> "Ready":
        """Return the classifier in memory; read again when its file has changed."""
        from tfpipeline.evaluate import run_inputs

        about = self.files.existing().model.stat()
        mark = (about.st_ino, about.st_mtime_ns, about.st_size)
        if self._kept is None or self._kept[0] != mark:
            self._kept = mark, run_inputs.ready(self.files)
        return self._kept[1]

    def sample(self, n: int = 8, *, split: str = "test") -> Sample:
        """Return some of its own examples, as its network is shown them.

        Args:
            n: How many, at most; they are evenly spread over the classes.
            split: `train`, `validation`, or `test`.

        Raises:
            UserError: There are none, or they are not there any more.
        """
        with process_state.preserved(), mendable():
            with startup.quiet_start():
                from tfpipeline.evaluate import sampling
            found, labels, ids = sampling.sample(
                self.files, self.settings, self.labels, split, n
            )
        return Sample(found.astype(np.float32) / 255, tuple(labels), tuple(ids))

    def evaluate(self, source: str | None = None, **settings: Any) -> Result:
        """Measure it, as ``python -m tfpipeline.evaluate --run`` does.

        Args:
            source: Any source with its classes; its own test images where None.
            settings: Of `evaluate`.
        """
        return tfpipeline.evaluate(run=self.path, source=source, **settings)

    def export(self, output: str | os.PathLike[str], **settings: Any) -> Export:
        """Write a version for TF Serving, as ``python -m tfpipeline.export`` does.

        Args:
            output: The folder above the versions.
            settings: Of `export`.
        """
        return tfpipeline.export(run=self.path, output=output, **settings)

    def synthesize(
        self, classes: str | Sequence[str] | None = None, **settings: Any
    ) -> Result:
        """Make the images that excite its classes most.

        Args:
            classes: Names or numbers; all of its classes where None.
            settings: Of `synthesize`.
        """
        chosen = list(self.labels) if classes is None else classes
        return tfpipeline.synthesize(run=self.path, classes=chosen, **settings)

    def features(self, images: Any, **settings: Any) -> Result:
        """Show what its layers extract from pictures, and what speaks for a class.

        Args:
            images: As for `predict`.
            settings: Of `features`.
        """
        return tfpipeline.features(run=self.path, images=images, **settings)

    def attack(self, images: Any, **settings: Any) -> Result:
        """Change pictures slightly until it is wrong about them.

        Args:
            images: As for `predict`.
            settings: Of `attack`.
        """
        return tfpipeline.attack(run=self.path, images=images, **settings)

    def show_curves(self) -> "Figure":
        """Return loss and accuracy over the epochs of all stages."""
        from tfpipeline.report import charts

        told = run_data.read(self.files)
        if not told.history:
            raise UserError(f"{self.path}: its history holds no epoch.")
        return charts.curves(told.history, told.manifest.get("kept_epoch"))

    def show_confusion(self, split: str | None = None) -> "Figure":
        """Return what is taken for what; of many classes, those with most errors.

        Args:
            split: `test` or `validation`; the best one there is where None.
        """
        from tfpipeline.report import charts

        told = run_data.read(self.files)
        measured = told.diagnosis.get("splits", {})
        chosen = split or told.split or ""
        if chosen not in measured:
            raise unknown("split", chosen, measured)
        found = measured[chosen]["confusion"]
        return charts.confusion(found["labels"], found["counts"], f"{chosen} images")

    def show_top_losses(self, n: int = 6, *, grad_cam: bool = True) -> "Figure":
        """Return the held-out images about which it is most wrong.

        Args:
            n: How many; a run keeps 12.
            grad_cam: Whether to draw beside each where the network looked.
        """
        return self._gallery("top_losses", n, grad_cam)

    def show_suspects(self, n: int = 6) -> "Figure":
        """Return the images whose labels look wrong, the most suspicious first.

        Args:
            n: How many; a run keeps 12.
        """
        return self._gallery("suspected", n, False)

    def _gallery(self, kind: str, n: int, grad_cam: bool) -> "Figure":
        from tfpipeline.report import charts

        told = [
            one
            for one in run_data.read(self.files).diagnosis.get(kind, [])
            if (self.path / one.get("picture", "?")).is_file()
        ][:n]
        if not told:
            raise UserError(f"{self.path}: there are no such images.")
        return charts.gallery(
            [self._beside(one, grad_cam) for one in told], [_words(o) for o in told]
        )

    def _beside(self, one: Mapping[str, Any], grad_cam: bool) -> np.ndarray:
        """Return a picture, beside it where the network looked."""
        names = [one["picture"], *([one["grad_cam"]] if grad_cam else ())]
        return np.hstack([image_io.decode(self.path / name) for name in names])

    def show_batch(self) -> Gallery:
        """Return a training batch as the network saw it."""
        return Gallery([("as the network saw it", self.files.figures / "batch.png")])

    def show_report(self) -> Page:
        """Return its page, for a notebook to show; it is made where there is none."""
        if not self.files.report.is_file():
            run_page.write(self.files)
        return Page(self.files.report)


def _words(one: Mapping[str, Any]) -> str:
    called = f"called {one['predicted']}, {one['probability']:.2f}"
    return f"{one['label']}\n{called}\nloss {one['loss']:.2f}"
