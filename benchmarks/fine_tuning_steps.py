"""Fine-tuning steps against an earlier build and against `model.fit`.

python benchmarks/fine_tuning_steps.py BEFORE [--network VGG16:224] [--unfreeze block5]
                                       [--rounds 5] [--steps 3] [--output FILE.json]

BEFORE is a `git worktree` of an earlier commit. Each round starts three processes, one
after another: this build, in bfloat16 where the processor multiplies in it, which is
what `--fine_tune.engine auto` takes for VGG16; BEFORE, in float32; and a Keras model
whose layers below are frozen, by `fit`. All learn the top of the same backbone (random
weights) from batches of 32 in memory. A first step traces; the others are timed.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from results import spread, spreads, tell

HERE = Path(__file__).resolve().parent.parent

BATCH, CLASSES = 32, 2


def trainer_step(network: str, unfreeze: str, data: Any) -> Callable[[], object]:
    """Return a step of this package, of whichever build is imported."""
    from tfpipeline.config import DistributeSettings, ModelSettings, TrainSettings
    from tfpipeline.core import startup

    with startup.quiet_start():
        import tensorflow as tf

        from tfpipeline import distribute
        from tfpipeline.models import backbones, classifier, unfreezing
        from tfpipeline.train import dropout, optimizers, train_step

        strategy = distribute.start(DistributeSettings("one_device"), "float32", 0)
    name, _, size = network.partition(":")
    settings = ModelSettings(name, "none", dropout=0.0, image_size=int(size or 224))
    resolved = backbones.resolve(settings, "folder")
    backbone = backbones.build_backbone(resolved, Path())
    model = classifier.build_classifier(backbone, "caffe", resolved, CLASSES)
    unfreezing.unfreeze(backbone, unfreeze)
    extractor, head = classifier.split_classifier(model)
    models, train = [head, backbone], TrainSettings(learning_rate=1e-4)
    trainer = train_step.Trainer(
        lambda batch, draws: dropout.train_through(
            head, extractor(batch, training=False), draws
        ),
        models,
        optimizers.build_optimizer(train, train_step.trainable(models)),
        # Its module has another place in an earlier build.
        getattr(train_step, "Criterion")(CLASSES),
        strategy,
        train,
    )
    if hasattr(trainer, "rewrites"):
        from tfpipeline.models.engines import bfloat16

        trainer.rewrites = bfloat16.is_supported()
    x, y = (tf.constant(part[None]) for part in data)
    one = train_step.Steps(x, y, tf.ones((1, BATCH)))
    return lambda: np.asarray(trainer.run(one, 0, 0, np.float32([1e-4])))


def fit_step(network: str, unfreeze: str, data: Any) -> Callable[[], object]:
    """Return a step of Keras' `fit`."""
    import keras

    name, _, size = network.partition(":")
    base = getattr(keras.applications, name)(
        weights=None, include_top=False, pooling="avg", input_shape=data[0].shape[1:]
    )
    learns = False
    for layer in base.layers:
        learns = learns or layer.name.startswith(unfreeze)
        layer.trainable = learns
    logits = keras.layers.Dense(CLASSES)(base.output)
    model = keras.Model(base.input, logits)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-4), loss, metrics=["accuracy"])
    return lambda: model.fit(*data, batch_size=BATCH, epochs=1, verbose=0)


def child(way: str, network: str, unfreeze: str, steps: int) -> None:
    """Print the steps a second of one way."""
    size = int(network.partition(":")[2] or 224)
    rng = np.random.default_rng(0)
    images = rng.random((BATCH, size, size, 3), np.float32)
    data = images, rng.integers(0, CLASSES, BATCH).astype(np.int32)
    step = (fit_step if way == "fit" else trainer_step)(network, unfreeze, data)
    step()
    started = time.perf_counter()
    for _ in range(steps):
        step()
    print(json.dumps(steps / (time.perf_counter() - started)))


def main() -> None:
    """Print the figures; write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("--network", default="VGG16:224")
    parser.add_argument("--unfreeze", default="block5")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--way", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        child(given.way, given.network, given.unfreeze, given.steps)
        return
    words = [sys.executable, __file__, str(given.before), "--network", given.network]
    words += ["--unfreeze", given.unfreeze, "--steps", str(given.steps), "--way"]
    ways = {"now": HERE, "before": given.before.resolve(), "fit": HERE}
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(given.rounds):
        for way, code in ways.items():
            # This script is read here, and the package there.
            env = {**os.environ, "PYTHONPATH": str(code)}
            command = [*words, way]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=env)
            rates[way].append(json.loads(done.stdout.splitlines()[-1]))
    result: dict[str, Any] = {"network": given.network, "unfreeze": given.unfreeze}
    result |= spreads("steps_per_second", rates)
    for way in ("before", "fit"):
        ratios = [now / other for now, other in zip(rates["now"], rates[way])]
        result |= spread(f"times_as_fast_as_{way}", ratios)
    tell(result, given.output)


if __name__ == "__main__":
    main()
