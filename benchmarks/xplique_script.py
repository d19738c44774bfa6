"""A step of xplique's ideal images against a bare pass, without this package.

python -m venv OTHER && OTHER/bin/pip install xplique 'tensorflow==2.20.*'
OTHER/bin/python benchmarks/xplique_script.py [--batch 1 8] [--rounds 5]

It asks for an older TensorFlow than this package, so it has an environment of its own,
and what it shares with `ideal_images.py` is the ratio to a bare pass: the forward and
backward pass of MobileNetV2 1.0 (random weights) for the same batch, in one
`tf.function`. It climbs a logit by Fourier waves and its standard transforms, at the
size of the network, and once without transforms (`plain`). A call traces anew, so a
step is the difference between calls of 48 and of 16 steps, divided by 32.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from xplique.features_visualizations import Objective, optimize

SIZE, CLASS, FEW, MANY = 224, 284, 16, 48


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def step_of(model: Any, batch: int, transforms: Any) -> float:
    """Return the seconds of a step of xplique."""
    objective = Objective.neuron(model, -1, [CLASS] * batch)

    def climb(steps: int) -> object:
        (images,), _ = optimize(
            objective,
            nb_steps=steps,
            transformations=transforms,
            custom_shape=(SIZE, SIZE),
            values_range=(-1, 1),
        )
        return images.numpy()

    few = seconds(lambda: climb(FEW))
    return (seconds(lambda: climb(MANY)) - few) / (MANY - FEW)


def main() -> None:
    """Print medians and ratios, round by round."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    model = keras.applications.MobileNetV2(weights=None, classifier_activation=None)
    for batch in given.batch:
        held = tf.random.stateless_uniform((batch, SIZE, SIZE, 3), (0, 0), -1, 1)

        @tf.function(autograph=False)
        def passes(images: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                tape.watch(images)
                score = tf.reduce_sum(model(images, training=False)[:, CLASS])
            return tape.gradient(score, images)

        passes(held)
        ratios: dict[str, list[float]] = {"standard": [], "plain": []}
        for _ in range(given.rounds):
            one = seconds(lambda: [passes(held).numpy() for _ in range(MANY)]) / MANY
            for name, transforms in (("standard", "standard"), ("plain", None)):
                ratios[name].append(one / step_of(model, batch, transforms))
        result = {
            name: [statistics.median(each), min(each), max(each)]
            for name, each in ratios.items()
        }
        print(json.dumps({"batch": batch, "bare_to_step": result}), flush=True)


if __name__ == "__main__":
    main()
