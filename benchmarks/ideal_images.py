"""A step of an ideal image against a bare traced pass, and against tf-keras-vis.

python benchmarks/ideal_images.py [--batch 1 8] [--rounds 5] [--output FILE.json]

All climb the logit of a class of the same MobileNetV2 1.0 (random weights, calibrated).
A step of ours is preset `best` whole: waves to pixels, transforms, network, gradient,
Adam. A bare pass is the network's forward and backward pass for the same batch, in one
`tf.function`: `bare` with variables, `bare_constants` with constant weights, as ours.
tf-keras-vis (`pip install tf-keras-vis`) gets the same batch, once as its documentation
has it, with its own transforms, regularisers and optimizer, and once without the first
two, so that it does less (`tf_keras_vis_plain`); both are left out where it is not
installed. A round is 16 steps of each: ours and the bare ones step by step, then
a call of each of the others. A first round traces; medians of rounds.
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

from tfpipeline.config import DistributeSettings, ModelSettings
from tfpipeline.core import startup

STEPS, CLASS = 16, 284


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def ours(network: Any, batch: int, strategy: Any) -> Callable[[], float]:
    """Return what measures the seconds of a step, without starting and ending."""
    from tfpipeline.synthesize import presets
    from tfpipeline.synthesize.ascent import Spread

    best = presets.PRESETS["best"]
    objective = best.build_objective([CLASS] * batch)
    ascent = best.ascent(network, objective, strategy, seed=0)
    start = ascent.parameterization.start(0, range(batch))
    spread = Spread(ascent, start, np.arange(batch))
    numbers = itertools.count()
    return lambda: seconds(lambda: spread.join(spread.step(next(numbers))[0]))


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


def peers(network: Any, batch: int) -> dict[str, Callable[[], float]]:
    """Return what measures the seconds of a step of tf-keras-vis, if it is there."""
    try:
        from tf_keras_vis.activation_maximization import ActivationMaximization
        from tf_keras_vis.utils.scores import CategoricalScore
    except ImportError:
        return {}
    import keras
    import tensorflow as tf

    maximization = ActivationMaximization(network.model, clone=False)
    seed = tf.random.stateless_uniform((batch, *network.size, 3), (0, 0), 0.4, 0.6)

    def some_steps(**settings: Any) -> float:
        spent = seconds(
            lambda: maximization(
                CategoricalScore([CLASS] * batch),
                seed_input=seed,
                input_range=(0.0, 1.0),
                steps=STEPS,
                **settings,
            )
        )
        return spent / STEPS

    return {
        "tf_keras_vis": some_steps,
        "tf_keras_vis_plain": lambda: some_steps(
            input_modifiers=[],
            regularizers=[],
            optimizer=keras.optimizers.Adam(0.05),
        ),
    }


def measure(network: Any, batch: int, rounds: int, strategy: Any) -> dict[str, Any]:
    """Return the medians of all, and their ratios to ours, for one size of batch."""
    from tfpipeline.models.constant_weights import Frozen

    model = network.model
    ways = {
        "ours": ours(network, batch, strategy),
        "bare": bare(network, batch, lambda x: model(x, training=False)),
        "bare_constants": bare(network, batch, Frozen(model)),
    }
    others = peers(network, batch)

    def one_round() -> dict[str, float]:
        steps = [{name: way() for name, way in ways.items()} for _ in range(STEPS)]
        middle = {name: statistics.median(one[name] for one in steps) for name in ways}
        return middle | {name: way() for name, way in others.items()}

    one_round()  # It traces.
    measured = [one_round() for _ in range(rounds)]
    found = {name: [one[name] for one in measured] for name in (*ways, *others)}
    result: dict[str, Any] = {"batch": batch}
    result["seconds_a_step"] = {n: statistics.median(s) for n, s in found.items()}
    for name, each in found.items():
        if name != "ours":
            ratios = [a / b for a, b in zip(each, found["ours"])]
            result |= spread(f"{name}_to_ours", ratios)
    return result


def main() -> None:
    """Print the figures; write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    with startup.quiet_start():
        from tfpipeline import distribute
        from tfpipeline.models import load_network

        strategy = distribute.start(DistributeSettings("one_device"), "float32", 0)
        settings = ModelSettings(weights="none")
        network = load_network.open_network(None, settings, names_needed=False)
    rows = [measure(network, n, given.rounds, strategy) for n in given.batch]
    tell({"rounds": given.rounds, "rows": rows}, given.output)


if __name__ == "__main__":
    main()
