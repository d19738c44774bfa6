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


def in_bfloat16(
    backbone: keras.Model,
    variables: Sequence[keras.Variable],
    forward: Callable[[Any], Any],
    sample: Callable[[], np.ndarray],
    count: int,
    folder: Path,
) -> bool:
    """Tell whether a training is faster in bfloat16, and right enough.

    Args:
        backbone: Of the network, with the weights that it starts with.
        variables: That learn.
        forward: From images to logits.
        sample: Returns the images of a step.
        count: Images that are to be trained on, over all epochs.
        folder: Of all trials.
    """
    if not choice.is_large(count, backbone.input_shape):
        return False
    learns = [variable.path for variable in variables]
    kept = choice.Kept(f"{classifier.describe(backbone)} learns {learns}", folder)
    if not kept.record.knows(BFLOAT16):
        if compare(kept.record, gradient(forward, variables), sample(), count):
            kept.write()
    took = kept.record.milliseconds
    if kept.record.best([BFLOAT16]) != BFLOAT16:
        return False
    console.note_once(
        f"fine-tuning computes in bfloat16: {took[BFLOAT16]:.3g} ms an image in a "
        f"trial (float32 {took[TENSORFLOW]:.3g})"
    )
    return True


def gradient(forward: Callable[[Any], Any], variables: Sequence[keras.Variable]) -> Run:
    """Return what a step computes, without changing anything: a gradient, in a row."""
    values = [variable.value for variable in variables]

    def compute(images: Any) -> Any:
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
        count: Images that are to be trained on, over all epochs.
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
