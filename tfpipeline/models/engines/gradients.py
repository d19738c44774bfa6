"""Whether gradients of a network are computed in bfloat16: where a trial says so."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfpipeline.core import console
from tfpipeline.models import classifier
from tfpipeline.models.engines import bfloat16, choice, trial
from tfpipeline.models.engines.names import BFLOAT16, TENSORFLOW
from tfpipeline.models.engines.trial import Record, Run

# The cosine of the gradient with that in float32, at least.
AGREEMENT = 0.95

# What takes less in float32 is not worth the trial.
WORTH_SECONDS = 20.0


def settled(
    wish: str, title: str, network: keras.Model, strategy: tf.distribute.Strategy
) -> bool | None:
    """Return whether gradients are in bfloat16, where that needs no trial; else None.

    Args:
        wish: `auto`, or the name of an engine.
        title: Of the task, in words.
        network: The part that takes the time.
        strategy: Where it computes.
    """
    if wish == TENSORFLOW or choice.unsuited(network, strategy):
        return False
    if not bfloat16.is_supported():
        if wish == BFLOAT16:
            console.note(f"{title} in float32: this processor has no bfloat16")
        return False
    return True if wish == BFLOAT16 else None


def in_bfloat16(
    network: keras.Model,
    task: tuple[str, str],
    run: Run,
    sample: Callable[[], np.ndarray],
    count: int,
    folder: Path,
) -> bool:
    """Tell whether gradients are computed faster in bfloat16, and well enough.

    Args:
        network: The part that takes the time, with the weights that it starts with.
        task: What they are for, in words, and which of the network's they are.
        run: From images to a gradient, shape (n,).
        sample: Returns the images of a step.
        count: Images of all steps.
        folder: Of all trials.
    """
    if not choice.is_large(count, network.input_shape):
        return False
    title, which = task
    kept = trial.Kept(f"{classifier.describe(network)} {which}", folder)
    if not kept.record.knows(BFLOAT16):
        if compare(kept.record, run, sample(), count):
            kept.write()
    took = kept.record.milliseconds
    if kept.record.best([BFLOAT16]) != BFLOAT16:
        return False
    console.note_once(
        f"{title} in bfloat16: {took[BFLOAT16]:.3g} ms an image in a trial (float32 "
        f"{took[TENSORFLOW]:.3g})"
    )
    return True


def gradient(
    forward: Callable[[Any], Any], variables: Sequence[keras.Variable] | None = None
) -> Run:
    """Return what a step computes, without changing anything: a gradient, in a row.

    Args:
        forward: From images to logits.
        variables: That it is of; of the images where None.
    """

    def compute(images: Any) -> Any:
        images = tf.convert_to_tensor(images, tf.float32)
        values = [images] if variables is None else [v.value for v in variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            loss = tf.reduce_sum(tf.nn.log_softmax(forward(images))[:, 0])
        slopes = tape.gradient(loss, values, unconnected_gradients="zero")
        return tf.concat([tf.reshape(slope, [-1]) for slope in slopes], 0)

    traced = tf.function(compute, autograph=False)
    return lambda images: np.asarray(traced(images), np.float32)


def compare(record: Record, run: Run, images: np.ndarray, count: int) -> bool:
    """Time a gradient in float32 and in bfloat16; return whether that was worth it.

    Args:
        record: Takes what comes out.
        run: From images to a gradient, shape (n,).
        images: Of a step.
        count: Images of all steps.
    """

    def rewritten(some: Any) -> np.ndarray:
        with bfloat16.rewritten():
            return run(some)

    exact = run(images)
    took = trial.clock(run, images)
    if took * count < 1000 * WORTH_SECONDS:
        return False
    record.milliseconds[TENSORFLOW] = round(took, 3)
    coarse = rewritten(images)
    norms = float(np.linalg.norm(exact)) * float(np.linalg.norm(coarse))
    cosine = float(exact @ coarse) / max(norms, 1e-30)
    if not cosine >= AGREEMENT:
        record.failed[BFLOAT16] = f"its gradient has a cosine of {cosine:.3f}"
        return True
    pair = trial.compare((run, images), took, (rewritten, images))
    for name, each in zip((TENSORFLOW, BFLOAT16), pair):
        record.milliseconds[name] = round(each, 3)
    return True
