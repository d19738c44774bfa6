"""What this machine gives: how fast it reads, computes and learns, each alone."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfpipeline import distribute
from tfpipeline.benchmark import preparation
from tfpipeline.benchmark.preparation import CLASSES, Setup
from tfpipeline.config import TrainSettings
from tfpipeline.core import provenance
from tfpipeline.data import sampling
from tfpipeline.models import classifier, feature_cache
from tfpipeline.models.constant_weights import Frozen
from tfpipeline.models.inference import Predictor
from tfpipeline.train import (
    batch_size_finder,
    dropout,
    inputs,
    optimizers,
    train_step,
)
from tfpipeline.train.fit import Fit
from tfpipeline.train.fit_state import Stage
from tfpipeline.train.targets.objective import Criterion

# Batch sizes that are tried, and how near to the best rate the one taken has to come.
_SIZES = (1, 8, 16, 32, 64, 128)
_NEARLY = 0.97

# Of the head that is trained: what a small study has; examples a step.
_EXAMPLES, _HEAD_BATCH = 2048, 32

# Of the matrices and the block by which the machine itself is measured.
_SIDE, _BLOCK_BYTES = 1536, 2**28

Rates = dict[str, float]
# By name, how much a call does, and the call.
Work = Mapping[str, tuple[float, Callable[[], object]]]


def in_turn(work: Work, rounds: int) -> dict[str, list[float]]:
    """Return how much of each kind of work is done in a second, round by round.

    Every round does each once, one after the other, so that what else the machine does
    falls on all of them; a first round traces and is not counted.
    """
    rates: dict[str, list[float]] = {name: [] for name in work}
    for number in range(rounds + 1):
        for name, (amount, call) in work.items():
            started = time.perf_counter()
            call()
            if number:
                rates[name].append(amount / (time.perf_counter() - started))
    return rates


def medians(work: Work, rounds: int) -> Rates:
    """Return the medians of what `in_turn` returns."""
    return {n: statistics.median(rates) for n, rates in in_turn(work, rounds).items()}


def machine_rates(rounds: int) -> Rates:
    """Return what the machine does at its best: float32 products, and copies."""
    matrix = tf.random.uniform((_SIDE, _SIDE))
    product = tf.function(lambda: tf.reduce_sum(matrix @ matrix), autograph=False)
    block = np.zeros(_BLOCK_BYTES, np.uint8)
    target = np.empty_like(block)
    work: Work = {
        "matmul_gflops": (2e-9 * _SIDE**3, lambda: product().numpy()),
        "copied_gb_per_second": (1e-9 * block.size, lambda: np.copyto(target, block)),
    }
    return medians(work, max(rounds, 3))


def by_batch_size(setup: Setup) -> dict[int, float]:
    """Return images a second of the network alone, by each batch size that fits."""
    replicas = int(setup.strategy.num_replicas_in_sync)
    predictor = Predictor(Frozen(setup.extractor), setup.strategy)
    work: dict[str, tuple[float, Callable[[], object]]] = {}
    with suppress(tf.errors.ResourceExhaustedError, MemoryError):
        for size in sorted({replicas * max(1, n // replicas) for n in _SIZES}):
            if size > max(setup.settings.images, replicas):
                break
            held = tf.zeros((size, setup.size, setup.size, 3))
            predictor(held)
            calls = max(1, 64 // size)
            work[str(size)] = (calls * size, _repeat(predictor, held, calls))
    if not work:
        raise batch_size_finder.too_little_memory()
    rates = medians(work, setup.settings.rounds)
    return {int(size): rate for size, rate in rates.items()}


def _repeat(call: Callable[[Any], object], held: Any, times: int) -> Any:
    def run() -> None:
        for _ in range(times):
            call(held)

    return run


def good_size(rates: dict[int, float]) -> int:
    """Return the smallest batch size that is nearly as fast as the best."""
    best = max(rates.values())
    return min(size for size, rate in rates.items() if rate >= _NEARLY * best)


def extraction_rates(setup: Setup, batch_size: int) -> Rates:
    """Return images a second of reading alone, the network alone, and both."""
    predictor = Predictor(Frozen(setup.extractor), setup.strategy)
    batches, order = setup.batches(batch_size), setup.order
    held, _, _ = next(iter(batches.plain(order)))
    count = len(order)
    calls = max(1, count // batch_size)

    def extract() -> object:
        return list(predictor.over(batches.plain(order), count, None))

    work: Work = {
        "reading": (count, lambda: [None for _ in batches.plain(order)]),
        "network": (calls * batch_size, _repeat(predictor, held, calls)),
        "extraction": (count, extract),
    }
    return medians(work, setup.settings.rounds)


def draw_examples(
    count: int, width: int, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return features and labels that mean nothing, for a head to learn from."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(count, width)).astype(np.float32)
    return features, rng.integers(0, classes, count).astype(np.int32)


def head_fit(
    model: keras.Model,
    examples: tuple[np.ndarray, np.ndarray],
    strategy: tf.distribute.Strategy,
    folder: Path,
    epochs: int = 1,
    seed: int = 0,
) -> Callable[[], object]:
    """Return what trains a head from features on disk, as `train` does it.

    Args:
        model: From features to logits, built under the strategy's scope.
        examples: What `draw_examples` returned.
        strategy: Where the steps run.
        folder: For the features.
        epochs: Passes over them.
        seed: Of the order.
    """
    (features, label), count = examples, len(examples[0])
    keys = [f"{i:064d}" for i in range(count)]
    store = feature_cache.FeatureCache(folder, features.shape[1])
    store.fill(keys, lambda rows: iter([features[rows]]))
    settings = TrainSettings(epochs=epochs)
    with strategy.scope():
        optimizer = optimizers.build_optimizer(settings, model.trainable_variables)
    trainer = train_step.Trainer(
        lambda batch, draws: dropout.train_through(model, batch, draws),
        [model],
        optimizer,
        Criterion(int(model.output_shape[-1])),
        strategy,
        settings,
    )
    size = distribute.replica_multiple(_HEAD_BATCH, strategy)
    feed = inputs.CachedFeatures(
        store, keys, label, lambda order: sampling.padded(order, size)
    )

    def steps(epoch: int, step: int) -> Iterator[Any]:
        order = sampling.epoch_order(count, seed, epoch)
        return iter(feed.steps(order, epoch, step))

    length = -(-count // size)
    stage = Stage("head", trainer, settings, model.weights, steps, length, logs=False)
    return lambda: Fit(stage, None, []).run()


def training_rates(setup: Setup, batch_size: int) -> Rates:
    """Return examples a second of training the head, and of fine-tuning everything."""
    own, strategy = setup.settings, setup.strategy
    width = int(setup.extractor.output_shape[-1])
    with strategy.scope():
        model = classifier.build_head(own.model, width, CLASSES)
    examples = draw_examples(_EXAMPLES, width, CLASSES)
    with tempfile.TemporaryDirectory() as folder:
        fit = head_fit(model, examples, strategy, Path(folder), seed=own.seed)
        head = medians({"head": (_EXAMPLES, fit)}, own.rounds)
    fine = batch_size_finder.images_per_second(
        setup.extractor, strategy, batch_size, learns=True
    )
    return head | {"fine_tuning": fine}


def measure(setup: Setup, audited: float, phases: provenance.Phases) -> dict[str, Any]:
    """Measure everything, one after the other, after the audit's files a second."""
    rounds = setup.settings.rounds
    with phases("machine"):
        machine = machine_rates(rounds)
    size = setup.settings.data.batch_size
    with phases("batch_sizes"):
        sizes = by_batch_size(setup) if size == "auto" else {}
    if size == "auto":
        size = good_size(sizes)
    size = distribute.replica_multiple(int(size), setup.strategy)
    with phases("extraction"):
        rates = extraction_rates(setup, size)
    with phases("learning"):
        rates |= training_rates(setup, size)
    return {
        "machine": {"devices": _devices(setup.strategy), **machine},
        "network": preparation.figures(setup),
        "pictures": {"files": len(setup.rows), "images": setup.settings.images},
        "batch_size": size,
        "by_batch_size": sizes,
        "images_per_second": {"audit": audited, **rates},
    }


def _devices(strategy: tf.distribute.Strategy) -> str:
    """Return what computes, in words."""
    kinds = [device.device_type for device in tf.config.list_logical_devices()]
    count = int(strategy.num_replicas_in_sync)
    gpus, tpus = kinds.count("GPU"), kinds.count("TPU")
    has = f"{gpus} GPU" if gpus else f"{tpus} TPU" if tpus else "no GPU"
    return f"{has}, {count} replicas" if count > 1 else has
