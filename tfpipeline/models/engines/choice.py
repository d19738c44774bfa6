"""Which engine computes what a frozen network makes of images."""

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfpipeline.core import console, progress, startup
from tfpipeline.models import classifier, constant_weights, flops
from tfpipeline.models.engines import bfloat16, kept_network, litert, trial
from tfpipeline.models.engines.names import (
    BFLOAT16,
    CLOSE,
    EXACT,
    LITERT,
    TENSORFLOW,
    TITLES,
    TRAINED_ON,
)
from tfpipeline.models.engines.trial import Run, Unfit, UnfitNow
from tfpipeline.models.inference import Predictor

# For fewer images or pixels nothing is tried, nor where TensorFlow is that quick: a
# trial with a conversion costs about a second.
LEAST_IMAGES, LEAST_PIXELS, WORTH_SECONDS = 256, 15_000_000, 2.0

# LiteRT is not tried where more of the arithmetic is in convolutions of 3 x 3 and so on
# over all channels: it is slower there. VGG16, with 1.0, took 1.36 times as long.
MOST_DENSE = 0.75


# TensorFlow's pass, and the images of a trial.
_Given = tuple[Run, np.ndarray]


def is_large(count: int, shape: Sequence[int | None]) -> bool:
    """Tell whether so many images, of shape (any, height, width, 3), merit a trial."""
    _, height, width, *_ = shape
    pixels = count * (height or 0) * (width or 0)
    return count >= LEAST_IMAGES and pixels >= LEAST_PIXELS


def unsuited(model: keras.Model, strategy: tf.distribute.Strategy) -> str:
    """Return what engines other than TensorFlow's would need; empty if all is there."""
    kinds = {device.device_type for device in tf.config.list_physical_devices()}
    if kinds != {"CPU"} or strategy.num_replicas_in_sync > 1:
        return "a single process on the processor's cores"
    if any(layer.compute_dtype != "float32" for layer in classifier.leaves(model)):
        return "a network in float32"
    return ""


@dataclass
class Engines:
    """The engines of one network, as it is now, on this machine.

    Args:
        model: From images to one output.
        digest: Of its layers and weights; see `classifier.describe`.
        predictor: The same under TensorFlow.
        folder: Where trials and converted networks are kept.
        wish: One of `names`, or `auto`.
    """

    model: keras.Model
    digest: str
    predictor: Predictor
    folder: Path
    wish: str = "auto"
    # What TensorFlow has made of the images of a trial, where one was needed.
    tried: np.ndarray | None = None
    _runs: dict[str, Run] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Find what earlier trials have shown."""
        self.kept = trial.Kept(self.digest, self.folder)
        self._record = self.kept.record

    def choose(
        self,
        missing: Callable[[str], int],
        sample: Callable[[], np.ndarray],
        *,
        most_change: float,
    ) -> str:
        """Return the engine for some images, ready to `run`.

        Args:
            missing: How many outputs are still to be computed, were an engine taken.
            sample: Returns some of the images, for a trial.
            most_change: Of an image's outputs by bfloat16: `EXACT`, `CLOSE` or
                `TRAINED_ON`.
        """
        names = self._candidates(most_change)
        name = TENSORFLOW
        if names:
            name = self._choose(names, missing, sample, most_change)
        unknown = name == BFLOAT16 and self._record.change is None
        try:
            if unknown or (name != TENSORFLOW and missing(name)):
                self.ready(name, sample)
            if name == BFLOAT16:
                self._check_change(most_change)
        except Unfit as reason:
            return self.falls_back(name, reason)
        return name

    @property
    def is_close(self) -> bool:
        """Whether bfloat16 was seen to change the outputs by little."""
        return self._record.change is not None and self._record.change <= CLOSE

    def _check_change(self, most: float) -> None:
        """Refuse bfloat16 where it changes more than its readers bear."""
        change = self._record.change or 0.0
        if change > most:
            asks = "--train.engine bfloat16 " if self.wish == "auto" else ""
            raise Unfit(
                f"it changes features by up to {change:.1%}, and those of training "
                f"images, which the run keeps, may change by {most:.0%}. For bfloat16 "
                f"give {asks}--train.reference false"
            )

    def ready(self, name: str, sample: Callable[[], np.ndarray]) -> Run | None:
        """Return an engine that was chosen, built now if it was not yet.

        Args:
            name: Of the engine; TensorFlow's own is None.
            sample: Returns some of the images, to check it with.

        Raises:
            Unfit: It cannot compute the network.
        """
        if name != TENSORFLOW and name not in self._runs:
            self._runs[name] = self._build(name, sample)
        return self.run(name)

    def run(self, name: str) -> Run | None:
        """Return an engine that is ready; None is TensorFlow's own."""
        return self._runs.get(name)

    @property
    def milliseconds(self) -> dict[str, float]:
        """What an image takes, by engine, as far as it was tried."""
        return dict(self._record.milliseconds)

    def _candidates(self, most_change: float) -> list[str]:
        """Return the engines other than TensorFlow's that may be taken."""
        if self.wish == TENSORFLOW:
            return []
        if reason := unsuited(self.model, self.predictor.strategy):
            if self.wish != "auto":
                console.note_once(f"engine: TensorFlow; {self.wish} needs {reason}")
            return []
        if self.wish == BFLOAT16 and not bfloat16.is_supported():
            needs = " or ".join(sorted(bfloat16.INSTRUCTIONS))
            console.note_once(
                f"engine: TensorFlow in float32; this processor has no {needs}"
            )
            return []
        names = self._likely() if self.wish == "auto" else [self.wish]
        if most_change == EXACT:
            names = [name for name in names if name != BFLOAT16]
        return names

    def _likely(self) -> list[str]:
        """Return what may be faster here; the likelier one first, it may be clear."""
        share = flops.dense_share(self.model)
        names = [BFLOAT16] * bfloat16.is_supported() + [LITERT] * (share <= MOST_DENSE)
        return names[::-1] if share < 0.5 else names

    def _choose(
        self,
        names: list[str],
        missing: Callable[[str], int],
        sample: Callable[[], np.ndarray],
        most_change: float,
    ) -> str:
        if self.wish != "auto":
            reason = self._record.failed.get(self.wish)
            return self.falls_back(self.wish, reason) if reason else self.wish
        new = [name for name in names if not self._record.knows(name)]
        if self._is_settled(names, most_change):
            new = []
        count = missing(TENSORFLOW) if new else 0
        if is_large(count, self.model.input_shape):
            with progress.waiting("trial of engines"):
                self._try(new, count, self._begin(new[0], sample), most_change)
        name = self._record.best(self._usable(names, most_change))
        if name != TENSORFLOW:
            took = self._record.milliseconds
            more = ""
            if name == BFLOAT16:
                change, count = self._record.change, self._record.pictures
                of = f" on {count} pictures" if count else ""
                more = f"; features change by at most {change:.1%} in a trial{of}"
            console.note_once(
                f"engine: {TITLES[name]}, {took[name]:.3g} ms an image in a trial "
                f"(TensorFlow {took[TENSORFLOW]:.3g}){more}"
            )
        return name

    def _begin(self, name: str, sample: Callable[[], np.ndarray]) -> _Given:
        """Return TensorFlow's pass and the images of a trial, read while it is traced.

        Where LiteRT is likely, one trace is for both; the predictor may need none.
        """
        with ThreadPoolExecutor(1) as pool:
            images, base = pool.submit(sample), None
            if name == LITERT and constant_weights.is_constant(self.model):
                # What cannot be traced so cannot be converted; `_made` finds out why.
                with contextlib.suppress(Exception):
                    base = litert.Traced(self.model)
            if base is None:
                self.predictor.trace(self.model.input_shape[1:])
            return base or self.predictor, images.result()

    def _usable(self, names: Sequence[str], most_change: float) -> list[str]:
        """Return the engines that change no more than is borne, as far as is known."""
        bears = most_change == TRAINED_ON or self.is_close
        return [name for name in names if bears or name != BFLOAT16]

    def _is_settled(self, names: Sequence[str], most_change: float) -> bool:
        """Tell whether one is so fast that the others need no trial."""
        return self._record.is_clear(self._usable(names, most_change))

    def _try(
        self, names: Sequence[str], count: int, given: _Given, most_change: float
    ) -> None:
        """Time engines that were not tried before, where that can be worth it."""
        took = self._record.milliseconds
        base, images = given
        exact, now = trial.reference(base, images)
        self.tried = exact
        if TENSORFLOW not in took:
            # What so short a task can win is not worth the conversion.
            if now * count < 1000 * WORTH_SECONDS:
                return
        # What was kept may be of a busier hour.
        took[TENSORFLOW] = round(min(now, took.get(TENSORFLOW, now)), 3)
        for name in names:
            try:
                self._runs[name] = run = self._made(name, given, exact)
                few = images[: trial.PIECE]
                own = run, images if name == BFLOAT16 else few
                pair = trial.compare((base, few), took[TENSORFLOW], own)
                took[TENSORFLOW], took[name] = (round(each, 3) for each in pair)
            except UnfitNow:
                continue
            except Unfit as reason:
                self._record.failed[name] = str(reason)
                continue
            if self._is_settled([name], most_change):
                break
        self.kept.write()
        if self._record.best([LITERT]) == TENSORFLOW:
            with contextlib.suppress(OSError):
                self.kept.converted.unlink(missing_ok=True)

    def _build(self, name: str, sample: Callable[[], np.ndarray]) -> Run:
        """Return an engine, from disk where it was checked before."""
        run: Run | None = kept_network.of(self.kept) if name == LITERT else None
        if run is None:
            base, images = given = self._begin(name, sample)
            self.tried = base(images)
            run = self._made(name, given, self.tried)
            self.kept.write()
        return run

    def _made(self, name: str, given: _Given, exact: np.ndarray) -> Run:
        """Return an engine that agrees with TensorFlow on some images."""
        base, images = given
        try:
            if name == LITERT:
                run: Run = self._convert(base)
            else:
                # Not first within it: what is traced there may keep its precision.
                self.predictor.trace(self.model.input_shape[1:])
                run = bfloat16.engine(self.predictor)
            change = trial.check(name, run, images, exact)
            if name == BFLOAT16:
                self._record.change = round(change, 6)
                self._record.pictures = len(images)
        except Unfit:
            raise
        except Exception as error:  # Whatever converters and kernels raise.
            first = (str(error).strip().splitlines() or [""])[0][:200]
            passes = MemoryError, OSError, tf.errors.ResourceExhaustedError
            kind = UnfitNow if isinstance(error, passes) else Unfit
            raise kind(f"{type(error).__name__}: {first}") from None
        return run

    def _convert(self, base: Run) -> Run:
        size = constant_weights.size(self.model)
        if size > litert.MOST_WEIGHTS:
            raise Unfit(f"it has {size / 2**20:.0f} MiB of weights")
        with startup.quiet_start(keras=False):
            traced = base if isinstance(base, litert.Traced) else None
            content = (traced or litert.Traced(self.model)).convert()
            run = litert.LiteRT(content)
        kept_network.keep(self.kept, content)
        return run

    def falls_back(self, name: str, reason: object) -> str:
        """Return TensorFlow, and say why not another one."""
        console.warn_once(f"engine: TensorFlow; not {TITLES[name]}: {reason}")
        return TENSORFLOW
