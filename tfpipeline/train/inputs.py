"""What each stage is fed with, and what is called on it."""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfpipeline.config import RunSettings
from tfpipeline.core import console
from tfpipeline.data import augment
from tfpipeline.models import backbones, classifier, feature_extraction
from tfpipeline.models.constant_weights import Frozen
from tfpipeline.models.engines import bfloat16, gradients, kept_network
from tfpipeline.models.engines.names import (
    BFLOAT16,
    CLOSE,
    EXACT,
    LITERT,
    TENSORFLOW,
    TRAINED_ON,
)
from tfpipeline.models.engines.trial import Run
from tfpipeline.models.feature_cache import FeatureCache
from tfpipeline.models.feature_extraction import Views
from tfpipeline.models.inference import Predictor
from tfpipeline.train import dropout, from_scratch
from tfpipeline.train.setup import Work
from tfpipeline.train.train_step import Steps, trainable

# Batches of features that one call trains on: few calls, and little memory.
STEPS_PER_CALL = 64

# `(images, labels, weights)`, the weight 0 where a batch is padded.
Batch = tuple[Any, Any, Any]


@dataclass(frozen=True)
class CachedFeatures:
    """Features from disk, for a frozen backbone without augmentation.

    Args:
        cache: Holds a row for every key.
        keys: Of the row of each example: the digest of its image, or its position.
        label: Index of its class, int32, shape (n,); or values, float32, (n, k).
        arrange: From an order to the indices and weights of its batches.
        per_call: Batches that one call trains on, at most.
        views: Features of changed copies of the training images, which are trained on
            instead.
        is_coarse: Whether rows of training images are in bfloat16 and differ so much
            that only training may read them.
        arrange_epoch: The same as `arrange` for training; None where it is the same.
    """

    cache: FeatureCache
    keys: Sequence[Any]
    label: np.ndarray
    arrange: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
    per_call: int = STEPS_PER_CALL
    views: Views | None = None
    is_coarse: bool = False
    arrange_epoch: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]] | None = None

    def steps(self, order: np.ndarray, epoch: int, first: int) -> Iterator[Steps]:
        """Yield many batches at a time: the head is so small that calls would cost."""
        arrange = self.arrange_epoch or self.arrange
        indices, weights = (part[first:] for part in arrange(order))
        cache, keys = self.cache, self.keys
        if self.views is not None:
            cache, keys = self.views.cache, self.views.keys(self.keys, epoch)
        for rows, part in cache.batches(keys, indices, self.per_call):
            yield Steps(rows, self.label[indices[part]], weights[part])

    def batches(self, order: np.ndarray) -> Iterator[Batch]:
        """Yield single batches in the order of the indices."""
        indices, weights = self.arrange(order)
        for rows, part in self.cache.batches(self.keys, indices, 1):
            yield rows[0], self.label[indices[part]][0], weights[part][0]

    def outputs(
        self, predictor: Predictor, chosen: np.ndarray, name: str | None
    ) -> np.ndarray:
        """Return the outputs of examples, in their order; each shard is read once."""
        order = self.visit(chosen)
        found = predictor.all(self.batches(chosen[order]), len(chosen), name)
        is_same = np.array_equal(order, np.arange(len(order)))
        return found if is_same else found[np.argsort(order)]

    def visit(self, chosen: np.ndarray) -> np.ndarray:
        """Return the places of examples in the order in which rows are read best."""
        return self.cache.visit([self.keys[i] for i in chosen])

    def rows(self, chosen: np.ndarray) -> np.ndarray:
        """Return the features of examples, float32, shape (k, width)."""
        return self.cache.rows([self.keys[i] for i in chosen])


@dataclass(frozen=True)
class Images:
    """Images, for augmentation: every step goes through the whole network."""

    # From an order, an epoch and a step to the batches from there.
    augmented: Callable[[np.ndarray, int, int], Iterable[Batch]]
    batches: Callable[[np.ndarray], Iterable[Batch]]

    def outputs(
        self, predictor: Predictor, chosen: np.ndarray, name: str | None
    ) -> np.ndarray:
        """Return the outputs of examples, in their order."""
        return predictor.all(self.batches(chosen), len(chosen), name)

    def steps(self, order: np.ndarray, epoch: int, first: int) -> Iterator[Steps]:
        """Yield one batch at a time."""
        for batch in self.augmented(order, epoch, first):
            yield Steps(*(part[None] for part in batch))


@dataclass(frozen=True)
class Task:
    """What is fed, and the function from it to logits in training and in inference."""

    inputs: CachedFeatures | Images
    training: Callable[[Any, dropout.Noise], Any]
    inference: Callable[[Any], Any]
    # Of the features; None for images.
    fingerprint: str | None = None
    # What computed those of training images, and what an image took in a trial.
    engine: str = TENSORFLOW
    milliseconds: Mapping[str, float] = field(default_factory=dict)
    # Returns what makes the maps that are pooled, where that is quicker.
    maps: Callable[[], Run | None] = lambda: None


def head_task(work: Work, cache: Path) -> Task:
    """Return what the head is trained on: features, computed once where that can be."""
    data, train = work.settings.data, work.settings.train
    changes_images = data.augmentation != "none" and not data.views
    is_attacked = work.settings.robust.method != "none"
    if is_attacked or train.from_scratch or changes_images:
        return image_task(work, cache)
    extractor, head = classifier.split_classifier(work.model)
    frozen = feature_extraction.of_classifier(
        extractor,
        Predictor(Frozen(extractor), work.strategy, work.meter),
        data.resize,
        work.examples.brightness.fingerprint,
        cache / "features",
        train.engine,
    )
    keys, chosen = work.examples.keys, work.examples.of("train")
    views, plain, is_coarse = None, work.alone.plain, False
    own: Sequence[Any] = keys
    store: FeatureCache
    if work.features is not None:
        store, engine, own = work.features, TENSORFLOW, range(len(keys))
    elif not data.views:
        bears = _most_change(work.settings)
        store, engine = frozen.learned(keys, chosen, plain, bears)
        if engine == BFLOAT16 and frozen.engines is not None:
            is_coarse = not frozen.engines.is_close
    else:
        views = frozen.views(
            [keys[i] for i in chosen],
            data.views,
            lambda number, order: work.alone.augmented(chosen[order], number),
            *(data.augmentation, augment.RULES, work.settings.seed),
        )
        engine = views.engine
        if frozen.engines is not None:
            # The engine that is recorded has to find these rows again.
            frozen.engines.wish = engine
        # Training reads the views; all else reads these.
        store = frozen.features(keys, plain)
    source = work.examples.source
    label = source.label if source.values is None else source.values
    maps: Callable[[], Run | None] = lambda: None
    if engine == LITERT and frozen.engines is not None:
        # Without what has computed the features: interpreters take memory.
        maps = functools.partial(kept_network.maps, frozen.engines.kept)
    every = work.settings.checkpoint.every_steps or STEPS_PER_CALL
    per_call = min(STEPS_PER_CALL, every)
    return Task(
        CachedFeatures(
            *(store, own, label, work.batches.arrange, per_call, views, is_coarse),
            work.batches.arrange_epoch,
        ),
        lambda x, noise: dropout.train_through(head, x, noise),
        lambda x: head(x, training=False),
        frozen.name,
        engine,
        frozen.engines.milliseconds if frozen.engines else {},
        maps,
    )


def _most_change(settings: RunSettings) -> float:
    """Return by how much bfloat16 may change the features of training images.

    By name, without a reference, only training reads them. Otherwise the run keeps
    them, looks for families in them and for suspected labels; and predictions out of
    fold, which calibrate, are of what is saved.
    """
    by_name = settings.train.engine == BFLOAT16 and bfloat16.is_supported()
    if settings.data.folds:
        if by_name:
            console.note_once(
                "engine: TensorFlow in float32; not bfloat16: folds measure on the "
                "features of training images. For bfloat16 give --data.folds 0"
            )
        return EXACT
    return TRAINED_ON if by_name and not settings.train.reference else CLOSE


def image_task(work: Work, cache: Path) -> Task:
    """Return the whole network and images, changed anew in every epoch."""
    batches, model = work.batches, work.model
    extractor, head = classifier.split_classifier(model)
    if batches.decoded is None:
        plan = batches.keep_decoded(work.settings.data.cache, cache / "decoded")
        console.note(f"decoded images: {plan.where} ({plan.reason})")
    if work.settings.train.from_scratch:
        mode = backbones.mode_of(work.settings.model)
        extract = from_scratch.extractor(model, mode)
    else:
        # In inference mode whatever it learns: its batch norm is frozen.
        def extract(x: Any) -> Any:
            return extractor(x, training=False)

    return Task(
        Images(batches.augmented, batches.plain),
        lambda x, noise: dropout.train_through(head, extract(x), noise),
        lambda x: model(x, training=False),
    )


def steps_in_bfloat16(
    work: Work, task: Task, models: Sequence[keras.Model], cache: Path
) -> bool:
    """Tell whether the steps of fine-tuning compute so; attacks are always exact.

    Args:
        work: What the training needs.
        task: Of images.
        models: Whose trainable variables learn, the backbone last.
        cache: The folder that commands share.
    """
    settings, title = work.settings, "fine-tuning computes"
    backbone, wish = models[-1], settings.fine_tune.engine
    if settings.robust.method != "none" or settings.train.jit_compile:
        return False
    own = gradients.settled(wish, title, backbone, work.strategy)
    if own is not None:
        return own
    chosen, variables = work.examples.of("train"), trainable(models)
    return gradients.in_bfloat16(
        backbone,
        (title, f"learns {[v.path for v in variables]}"),
        gradients.gradient(task.inference, variables),
        lambda: np.asarray(next(iter(work.batches.plain(chosen)))[0]),
        len(chosen) * settings.fine_tune.epochs,
        cache / "engines",
    )
