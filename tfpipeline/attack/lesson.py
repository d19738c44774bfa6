"""The attack of the lesson that this project grew from, with its two pixel spaces.

It scores the clean photograph on values of 0 to 255, and the attacked one on values of
0 to 1, both without the preprocessing that the network was trained with; it follows the
raw gradient of the cross-entropy, without a bound, and shows the result stretched by
its least and largest value. Here each of these is measured, beside the right one.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.attack.photos import Subject
from tfpipeline.config.adversary import written
from tfpipeline.core import contact_sheets, image_io
from tfpipeline.metrics import classification
from tfpipeline.models import layer_outputs
from tfpipeline.models.load_network import Network

STEPS, STEP_SIZE = 100, 1.0

# Of a picture on the sheet of three, for what stands below it.
_LEAST_WIDTH = 224

DEFECTS = (
    "The network gets raw pixels: its own preprocessing is left out.",
    "The photograph is judged on values of 0 to 255, the attack on values of 0 to 1.",
    "No epsilon and no bounds: nobody says how large the change is.",
    "Cross-entropy of a softmax output: below a probability of 1e-7 there is no "
    "gradient at all.",
    "What is shown is stretched to [0, 1], and is not what was judged.",
)


class Lesson:
    """The lesson's attack on one network.

    Args:
        network: To be attacked; what comes before its backbone is left out.
        target: Number of the class that it is to see.
    """

    def __init__(self, network: Network, target: int) -> None:
        self.network, self.target = network, target
        self._raw = layer_outputs.without_preprocessing(network.model)

        @tf.function(autograph=False)
        def step(values: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(values)
                share = tf.nn.softmax(self._raw(values))[:, target]
                loss = -tf.math.log(tf.clip_by_value(share, 1e-7, 1.0))
            return values - STEP_SIZE * tape.gradient(loss, values)

        self._step = step

    def attack(self, subject: Subject) -> tuple[dict[str, Any], np.ndarray]:
        """Return what the lesson reports, what is true, and the picture that it shows.

        Args:
            subject: The photograph.
        """
        clean = subject.picture[None].astype(np.float32)
        values = tf.constant(clean / 255)
        for _ in range(STEPS):
            values = self._step(values)
        after = np.asarray(values)
        span = float(np.ptp(after))
        stretched = image_io.to_uint8((after - after.min()) / max(span, 1e-9))
        clipped = image_io.to_uint8(after)
        delta = after - clean / 255
        told = {
            "steps": STEPS,
            "reported": {
                "clean_on_0_to_255": self._seen(self._raw(tf.constant(clean))),
                "attacked_on_0_to_1": self._seen(self._raw(values)),
            },
            "measured": {
                "clean_on_0_to_1_raw": self._seen(self._raw(tf.constant(clean / 255))),
                "clean_right": self._seen(self.network.logits(subject.picture[None])),
                "shown_right": self._seen(self.network.logits(stretched)),
                "clipped_right": self._seen(self.network.logits(clipped)),
                "linf": float(np.abs(delta).max()),
                "l2": float(np.sqrt((delta.astype(np.float64) ** 2).sum())),
                "out_of_range": float(((after < 0) | (after > 1)).mean()),
            },
        }
        return told, stretched[0]

    def _seen(self, logits: Any) -> dict[str, Any]:
        """Return the class that is seen first, and the probability of the target."""
        share = classification.probabilities(np.asarray(logits))[0]
        first = int(share.argmax())
        return {
            "class": self.network.labels[first],
            "probability": float(share[first]),
            "target_probability": float(share[self.target]),
        }


def beside(
    clean: np.ndarray,
    shown: np.ndarray,
    ours: np.ndarray,
    told: Mapping[str, Any],
    item: Mapping[str, Any],
) -> np.ndarray:
    """Return the photograph, the lesson's picture and the right one, each named.

    Args:
        clean: uint8, shape (height, width, 3).
        shown: Likewise, what the lesson shows.
        ours: Likewise, what the right attack has made.
        told: What `attack` returned.
        item: What is true of the right one.

    Returns:
        uint8 RGB, shape (any, any, 3).
    """
    reported, measured = told["reported"], told["measured"]
    size = written(item[item["norm"]], item["norm"])
    captions = (
        f"photograph\nto the lesson, on 0 to 255: "
        f"{_words(reported['clean_on_0_to_255'])}\n"
        f"to the network: {_words(measured['clean_right'])}",
        f"the lesson's, linf {written(measured['linf'], 'linf')}\n"
        f"to the lesson, on 0 to 1: {_words(reported['attacked_on_0_to_1'])}\n"
        f"to the network, as shown (stretched): {_words(measured['shown_right'])}\n"
        f"as it was judged (clipped): {_words(measured['clipped_right'])}",
        f"the right one, {item['norm']} {size}\n"
        f"to the network: {item['final_class']} {item['final_probability']:.3f}",
    )
    large = max(1, -(-_LEAST_WIDTH // clean.shape[1]))
    pictures = [one.repeat(large, 0).repeat(large, 1) for one in (clean, shown, ours)]
    return contact_sheets.contact_sheet(pictures, captions, len(pictures))


def _words(seen: Mapping[str, Any]) -> str:
    return f"{seen['class']} {seen['probability']:.3f}"
