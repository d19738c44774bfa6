"""Which engine computes features: the same one in every process at the same plan."""

import threading
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from tfpipeline.core import console, startup
from tfpipeline.core.errors import TemporaryError
from tfpipeline.models import classifier
from tfpipeline.models.engines import choice
from tfpipeline.models.engines.names import LITERT, TENSORFLOW
from tfpipeline.models.engines.trial import Run, Unfit, UnfitNow
from tfpipeline.models.inference import Predictor

# Of so many pixels in all, 10,000 pictures of 224 x 224, a conversion of some seconds
# is worth it: LiteRT was measured to save half of the 14 ms of a core for each.
LEAST_PIXELS = 10_000 * 224 * 224


class Engine:
    """What computes the features of a network, chosen without a clock.

    A trial may end otherwise in another process, and shards would differ in their last
    digits. What counts is the network and the number of pictures of the plan.

    Args:
        model: From images to features.
        predictor: The same under TensorFlow.
        wish: `tensorflow`, `litert`, or `auto`: LiteRT for many pictures and a network
            with depthwise convolutions, at which it is faster than TensorFlow.
    """

    def __init__(self, model: keras.Model, predictor: Predictor, wish: str) -> None:
        self._model, self._predictor, self.wish = model, predictor, wish
        self._lock = threading.Lock()
        self._is_chosen = False
        self.run: Run | None = None

    @property
    def may_be_litert(self) -> bool:
        """Whether it is LiteRT for any number of pictures."""
        return self.wish == LITERT or self.wish == "auto" and self._is_depthwise

    @property
    def _is_depthwise(self) -> bool:
        every = classifier.leaves(self._model)
        return any(isinstance(n, keras.layers.DepthwiseConv2D) for n in every)

    def name(self, pictures: int) -> str:
        """Return the engine for so many pictures."""
        if needs := choice.unsuited(self._model, self._predictor.strategy):
            if self.wish == LITERT:
                console.note_once(f"engine: TensorFlow; LiteRT needs {needs}")
            return TENSORFLOW
        if self.wish != "auto":
            return self.wish
        _, height, width, _ = self._model.input_shape
        is_long = pictures * height * width >= LEAST_PIXELS
        return LITERT if self._is_depthwise and is_long else TENSORFLOW

    def ready(
        self,
        pictures: int,
        sample: Callable[[], np.ndarray],
        folder: Path | None = None,
    ) -> None:
        """Build the engine for so many pictures as `run`; TensorFlow's own is None.

        Args:
            pictures: Of the whole plan.
            sample: Returns some of them, the same in every process, shape (n, height,
                width, 3), in [0, 1]: the engine is checked with them.
            folder: Where converted networks are kept; the user's own by default.

        Raises:
            TemporaryError: It cannot be built now.
        """
        with self._lock:
            if not self._is_chosen:
                self.run = self._build(self.name(pictures), sample, folder)
                self._is_chosen = True

    def _build(
        self, name: str, sample: Callable[[], np.ndarray], folder: Path | None
    ) -> Run | None:
        if name == TENSORFLOW:
            return None
        engines = choice.Engines(
            *(self._model, classifier.describe(self._model), self._predictor),
            *(folder or startup.cache_folder(None) / "engines", name),
        )
        try:
            return engines.ready(name, sample)
        except UnfitNow as error:
            raise TemporaryError(
                f"--engine {self.wish}: LiteRT cannot compute the network now: "
                f"{error}. Give the same command again, or --engine tensorflow and "
                "another --output."
            ) from None
        except Unfit as error:
            engines.falls_back(name, error)
            return None
