"""A step of an ideal image against a bare traced pass, and against tf-keras-vis.

python benchmarks/ideal_images.py [--batch 8] [--rounds 5] [--output FILE.json]

All climb the logit of a class of the same MobileNetV2 1.0 (random weights, calibrated).
A step of ours is preset `best` whole: waves to pixels, transforms, network, gradient,
Adam. A bare pass is the network's forward and backward pass for the same batch, in one
`tf.function`: `bare` with variables, `bare_constants` with constant weights, as ours.
tf-keras-vis (`pip install tf-keras-vis`) gets the same batch, and is left out where it
is not installed; its default transforms and regularisers are taken out, so that it does
less. A round is 16 steps of each: ours and the bare ones step by step in turn, then one
call of tf-keras-vis. A first round traces; medians over all steps.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from results import spread, tell

from tfpipeline import cli
from tfpipeline.config import DistributeSettings, ModelSettings

STEPS, CLASS = 16, 284


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def ours(network: Any, batch: int, strategy: Any) -> Callable[[], float]:
    """Return what measures the seconds of a step, without starting and ending."""
    from tfpipeline.models.layers import Inside
    from tfpipeline.synthesis import presets
    from tfpipeline.synthesis.ascent import Ascent, Spread

    best = presets.PRESETS["best"]
    waves = best.parameterized(network.size)
    ascent = Ascent(
        Inside(network.model),
        best.build_objective([CLASS] * batch),
        waves,
        best.shown(network.size),
        best.climb(seed=0),
        strategy,
    )
    spread = Spread(ascent, waves.start(0, range(batch)), np.arange(batch))
    numbers = itertools.count()
    return lambda: seconds(lambda: spread.joined(spread.step(next(numbers))[0]))


def bare(network: Any, batch: int, ask: Callable[[Any], Any]) -> Callable[[], float]:
    """Return what measures the seconds of a forward and a backward pass."""
    import tensorflow as tf

    image = tf.random.stateless_uniform((batch, *network.size, 3), (0, 0))

    @tf.function(autograph=False)
    def passes(image: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(image)
            score = tf.reduce_sum(ask(image)[:, CLASS])
        return tape.gradient(score, image)

    return lambda: seconds(lambda: np.asarray(passes(image)))


def peer(network: Any, batch: int) -> Callable[[], float] | None:
    """Return what measures the seconds of a step of tf-keras-vis, if it is there."""
    try:
        from tf_keras_vis.activation_maximization import ActivationMaximization
        from tf_keras_vis.utils.scores import CategoricalScore
    except ImportError:
        return None
    import keras
    import tensorflow as tf

    maximization = ActivationMaximization(network.model, clone=False)
    seed = tf.random.stateless_uniform((batch, *network.size, 3), (0, 0), 0.4, 0.6)

    def some_steps() -> float:
        return (
            seconds(
                lambda: maximization(
                    CategoricalScore([CLASS] * batch),
                    seed_input=seed,
                    input_range=(0.0, 1.0),
                    steps=STEPS,
                    optimizer=keras.optimizers.Adam(0.05),
                    input_modifiers=[],
                    regularizers=[],
                )
            )
            / STEPS
        )

    return some_steps


def main() -> None:
    """Print the figures; write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    with cli.quiet_start():
        from tfpipeline import distribution
        from tfpipeline.models.frozen import Frozen
        from tfpipeline.workflow import networks

        strategy = distribution.start(DistributeSettings("one_device"), "float32", 0)
        settings = ModelSettings(weights="none")
        network = networks.open_network(None, settings, names_needed=False)
    model, batch = network.model, given.batch
    ways = {
        "ours": ours(network, batch, strategy),
        "bare": bare(network, batch, lambda x: model(x, training=False)),
        "bare_constants": bare(network, batch, Frozen(model)),
    }
    theirs = peer(network, batch)
    found: dict[str, list[float]] = {name: [] for name in (*ways, "tf_keras_vis")}
    for number in range(given.rounds + 1):
        if number == 1:
            found = {name: [] for name in found}
        for _ in range(STEPS):
            for name, way in ways.items():
                found[name].append(way())
        if theirs is not None:
            found["tf_keras_vis"].append(theirs())
    medians = {n: statistics.median(some) for n, some in found.items() if some}
    result: dict[str, Any] = {"batch": batch, "seconds_a_step": medians}
    # Of each round by itself.
    rounds = {
        name: [
            statistics.median(part)
            for part in np.array_split(np.array(some), given.rounds)
        ]
        for name, some in found.items()
        if some
    }
    for name, some in rounds.items():
        if name != "ours":
            ratios = [a / b for a, b in zip(some, rounds["ours"])]
            result |= spread(f"{name}_to_ours", ratios)
    tell(result, given.output)


if __name__ == "__main__":
    main()
