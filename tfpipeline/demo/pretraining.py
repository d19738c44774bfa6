"""How the shipped backbone was pretrained: one seeded command, plain Keras.

python -m tfpipeline.demo.pretraining --output FILE.npz --seed 0
"""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.core import console, disk, file_io, result_dir, startup
from tfpipeline.core.errors import UserError
from tfpipeline.demo import world

SIZE = 96
ALPHA = 0.35
# Numbers from here on are never trained on.
HELD_OUT = 1_000_000


def drawn(per_class: int, first: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw pictures of every pretraining class, on every core."""
    numbers = range(first, first + per_class)
    classes = world.PRETRAINING_CLASSES
    with ProcessPoolExecutor() as pool:
        parts = pool.map(world.draw, classes, repeat(numbers), repeat(seed))
        images = np.concatenate(list(parts))
    return images, np.repeat(np.arange(len(classes), dtype=np.int32), per_class)


def _network() -> Any:
    import keras

    return keras.applications.MobileNetV2(
        input_shape=(SIZE, SIZE, 3), alpha=ALPHA, include_top=False, weights=None
    )


def pretrain(
    images: np.ndarray, label: np.ndarray, *, epochs: int, batch_size: int, seed: int
) -> tuple[Any, Any]:
    """Train a small MobileNetV2 with a linear top from scratch."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    backbone = _network()
    top = keras.layers.Dense(len(world.PRETRAINING_CLASSES), dtype="float32")
    features = keras.layers.GlobalAveragePooling2D()(backbone.output)
    logits = top(features)
    model = keras.Model(backbone.input, logits)
    steps = len(images) // batch_size
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, epochs * steps, warmup_target=3e-3, warmup_steps=2 * steps
    )
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=0.02),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,  # XLA was measured to be slower for convolutions on CPUs.
    )

    def change(
        example: tuple[tf.Tensor, tf.Tensor], draw: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        image, target = example
        image = tf.image.stateless_random_flip_left_right(image, [seed, draw])
        image = tf.pad(image, [[8, 8], [8, 8], [0, 0]], "REFLECT")
        image = tf.image.stateless_random_crop(image, [SIZE, SIZE, 3], [draw, seed])
        return tf.cast(image, tf.float32) / 127.5 - 1, target

    draws = tf.data.Dataset.random(seed=seed)
    data = tf.data.Dataset.from_tensor_slices((images, label))
    data = data.shuffle(len(images), seed=seed).repeat()
    data = tf.data.Dataset.zip(data, draws).map(change, tf.data.AUTOTUNE)
    data = data.batch(batch_size, drop_remainder=True).prefetch(2)
    verbose = 1 if sys.stderr.isatty() else 2
    model.fit(
        data, epochs=epochs, steps_per_epoch=steps, verbose=verbose, shuffle=False
    )
    settle(backbone, images[:: max(1, len(images) // 1024)])
    return backbone, top


def settle(backbone: Any, images: np.ndarray) -> None:
    """Set the batch-norm statistics to those of some images, exactly.

    Keras' MobileNetV2 averages them with momentum 0.999: after a short training a rest
    of the initial variance 1 still drowns the small true ones.
    """
    import keras

    norms = [
        n for n in backbone.layers if isinstance(n, keras.layers.BatchNormalization)
    ]
    momentum = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    backbone(images / np.float32(127.5) - 1, training=True)
    for norm, was in zip(norms, momentum):
        norm.momentum = was


def save(file: Path, backbone: Any, top: Any) -> None:
    """Write backbone and top as float16 arrays, numbered as Keras orders them."""
    kernel, bias = top.get_weights()
    arrays = {f"{i:03d}": value for i, value in enumerate(backbone.get_weights())}
    arrays |= {"top_kernel": kernel, "top_bias": bias}
    with file_io.replacing(file) as temporary, disk.naming(temporary):
        halves = {name: value.astype(np.float16) for name, value in arrays.items()}
        np.savez_compressed(temporary, **halves)


def accuracy(file: Path, images: np.ndarray, label: np.ndarray) -> float:
    """Return the share of pictures that the weights in a file call rightly."""
    backbone = _network()
    with np.load(file) as arrays:
        count = len(backbone.weights)
        backbone.set_weights([arrays[f"{i:03d}"] for i in range(count)])
        kernel, bias = arrays["top_kernel"], arrays["top_bias"]
    maps = backbone.predict(images / np.float32(127.5) - 1, batch_size=64, verbose=0)
    logits = maps.mean(axis=(1, 2)) @ kernel.astype(np.float32) + bias
    return float((logits.argmax(axis=1) == label).mean())


def main(argv: Sequence[str] | None = None) -> None:
    """Draw, pretrain, save, and measure on pictures that were never trained on."""
    parser = argparse.ArgumentParser(description="Pretrain the embedded backbone.")
    parser.add_argument("--output", type=Path, required=True, help="file.npz to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--per_class", type=int, default=600, help="pictures to draw")
    parser.add_argument("--batch_size", type=int, default=64)
    args = parser.parse_args(argv)
    if args.output.suffix != ".npz":
        parser.error(f"--output: expected a name in .npz. Received: {args.output}.")
    try:
        result_dir.check_file("--output", args.output, lambda file: False)
    except UserError as error:
        parser.error(str(error))
    if min(args.epochs, args.per_class, args.batch_size) < 1 or args.seed < 0:
        parser.error("expected positive numbers, and --seed from 0")
    started = time.perf_counter()
    images, label = drawn(args.per_class, 0, args.seed)
    print(f"drew {len(images)} pictures in {time.perf_counter() - started:.0f} s")
    with startup.quiet_start():
        import tensorflow  # noqa: F401
    backbone, top = pretrain(
        images, label, epochs=args.epochs, batch_size=args.batch_size, seed=args.seed
    )
    save(args.output, backbone, top)
    result = {
        "accuracy": accuracy(args.output, *drawn(40, HELD_OUT, args.seed)),
        "n": 40 * len(world.PRETRAINING_CLASSES),
        "sha256": hashlib.sha256(args.output.read_bytes()).hexdigest(),
        "seconds": round(time.perf_counter() - started),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    with console.heard():
        main()
