"""The training loop against `model.fit`, and against a bare traced step.

python benchmarks/training_loop.py [--rounds 5] [--output FILE.json]

- Head: batches of 32 features of width 1,280, 37 classes, dropout, Adam. This package
  reads them from its cache on disk and shuffles them; `model.fit` gets the same arrays
  in memory, once as it is and once with 32 steps a call.
- Backbone: MobileNetV2 0.35 at 224 pixels learns as a whole, on one batch of 32 that is
  in memory; the bare step is forward, gradient and Adam in one `tf.function`.

Interleaved, after a first round that traces; medians.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from results import spread, tell

from tfpipeline.config import DistributeSettings, ModelSettings, TrainSettings
from tfpipeline.core import startup

EXAMPLES, WIDTH, CLASSES, BATCH, EPOCHS = 2048, 1280, 37, 32, 10
STEPS = 12


def head_rates(folder: Path, rounds: int) -> dict[str, Any]:
    """Return steps a second of head training: here, and by `fit`."""
    import keras

    from tfpipeline import distribute
    from tfpipeline.benchmark import measurement
    from tfpipeline.models import classifier

    strategy = distribute.start(DistributeSettings("one_device"), "float32", 0)
    x, y = examples = measurement.draw_examples(EXAMPLES, WIDTH, CLASSES)
    with strategy.scope():
        head = classifier.build_head(ModelSettings(), WIDTH, CLASSES)

    def fitted(**options: int) -> Callable[[], object]:
        other = classifier.build_head(ModelSettings(), WIDTH, CLASSES)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        other.compile("adam", loss, metrics=["accuracy"], **options)
        return lambda: other.fit(x, y, batch_size=BATCH, epochs=EPOCHS, verbose=0)

    work = {
        "ours": measurement.head_fit(head, examples, strategy, folder, EPOCHS),
        "fit": fitted(),
        "fit_32_steps_a_call": fitted(steps_per_execution=32),
    }
    steps = EPOCHS * EXAMPLES // BATCH
    rates = measurement.in_turn({n: (steps, w) for n, w in work.items()}, rounds)
    others = {"ours_to_fit": "fit", "ours_to_fit_32": "fit_32_steps_a_call"}
    return compared(rates, others)


def compared(
    rates: Mapping[str, Sequence[float]], others: Mapping[str, str]
) -> dict[str, Any]:
    """Return medians of rates, and of their ratios within each round."""
    found: dict[str, Any] = {
        f"{name}_steps_per_second": statistics.median(some)
        for name, some in rates.items()
    }
    for key, name in others.items():
        ratios = [ours / other for ours, other in zip(rates["ours"], rates[name])]
        found |= spread(key, ratios)
    return found


def backbone_rates(rounds: int, size: int) -> dict[str, Any]:
    """Return steps a second of training a whole network: here, and bare."""
    import keras
    import tensorflow as tf

    from tfpipeline import distribute
    from tfpipeline.benchmark import measurement
    from tfpipeline.models import backbones, classifier, unfreezing
    from tfpipeline.train import dropout, optimizers, train_step
    from tfpipeline.train.targets.objective import Criterion

    strategy = distribute.start(DistributeSettings("one_device"), "float32", 0)
    rng = np.random.default_rng(0)
    x = rng.random((BATCH, size, size, 3), np.float32)
    y = rng.integers(0, CLASSES, BATCH).astype(np.int32)
    settings = TrainSettings(learning_rate=1e-4)
    model_settings = ModelSettings(
        weights="none", alpha=0.35, dropout=0.0, image_size=size
    )

    def network() -> Any:
        resolved = backbones.resolve(model_settings, "folder")
        backbone = backbones.build_backbone(resolved, Path())
        model = classifier.build_classifier(backbone, "tf", resolved, CLASSES)
        unfreezing.unfreeze(backbone, "all")
        return backbone, model

    backbone, model = network()
    extractor, head = classifier.split_classifier(model)
    models = [head, backbone]
    trainer = train_step.Trainer(
        lambda batch, draws: dropout.train_through(
            head, extractor(batch, training=False), draws
        ),
        models,
        optimizers.build_optimizer(settings, train_step.trainable(models)),
        Criterion(CLASSES),
        strategy,
        settings,
    )
    _, bare = network()
    variables = [v.value for v in bare.trainable_variables]
    optimizer = keras.optimizers.Adam(1e-4)
    optimizer.build(bare.trainable_variables)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function
    def step(images: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            value = loss(labels, bare(images, training=False))
        optimizer.apply(tape.gradient(value, variables), bare.trainable_variables)
        return value

    # Tensors, as they come from the input pipeline.
    weights = tf.ones((1, BATCH))
    one = train_step.Steps(tf.constant(x[None]), tf.constant(y[None]), weights)
    held, labels = tf.constant(x), tf.constant(y)

    def ours() -> None:
        np.asarray(trainer.run(one, 0, 0, np.float32([1e-4])))

    def theirs() -> None:
        np.asarray(step(held, labels))

    # Step by step in turn: what else the machine does falls on both alike.
    work = {"ours": (1, ours), "bare": (1, theirs)}
    rates = measurement.in_turn(work, STEPS * rounds)
    # A round is some steps: single ones differ by more than the ways do.
    middles = {
        name: [statistics.median(some[i::rounds]) for i in range(rounds)]
        for name, some in rates.items()
    }
    return compared(middles, {"ours_to_bare": "bare"})


def main() -> None:
    """Print the figures; write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--image_size", type=int, default=224)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    with startup.quiet_start():
        import tensorflow  # noqa: F401
    with tempfile.TemporaryDirectory() as folder:
        result = {
            "head": head_rates(Path(folder), given.rounds),
            "backbone": backbone_rates(given.rounds, given.image_size),
        }
    tell(result, given.output)


if __name__ == "__main__":
    main()
