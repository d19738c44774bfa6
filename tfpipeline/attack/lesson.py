"""The attack of the lesson that this project grew from, with its two pixel spaces.

It scores the clean photograph on values of 0 to 255, and the attacked one on values of
0 to 1, both without the preprocessing that the network was trained with; it follows the
raw gradient of the cross-entropy, without a bound, and shows the result stretched by
its least and largest value. Here each of these is measured, beside the right one.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfpipeline.attack.engine.epsilon import Epsilon
from tfpipeline.attack.photos import Subject
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
    """The lesson's attack on a network without its preprocessing, towards a class."""

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

    def write(
        self, subject: Subject, ours: np.ndarray, item: Mapping[str, Any], output: Path
    ) -> dict[str, Any]:
        """Attack a photograph, write what the lesson shows, and return what is true.

        Beside it goes the picture of the right attack, of which an item tells.
        """
        facts, shown = self._attack(subject.picture)
        file = Path("lesson", item["adversarial"])
        beside = file.with_stem(f"{file.stem}_beside")
        image_io.save_png(output / file, shown)
        large = max(1, -(-_LEAST_WIDTH // shown.shape[1]))
        pictures = [
            picture.repeat(large, 0).repeat(large, 1)
            for picture in (subject.picture, shown, ours)
        ]
        captions = _captions(facts["reported"], facts["measured"], item)
        sheet = contact_sheets.contact_sheet(pictures, captions, len(pictures))
        image_io.save_png(output / beside, sheet)
        return facts | {"shown": str(file), "beside": str(beside)}

    def _attack(self, picture: np.ndarray) -> tuple[dict[str, Any], np.ndarray]:
        """Return what the lesson reports, what is true, and the picture it shows."""
        clean = picture[None].astype(np.float32)
        values = tf.constant(clean / 255)
        for _ in range(STEPS):
            values = self._step(values)
        after = np.asarray(values)
        span = float(np.ptp(after))
        stretched = image_io.to_uint8((after - after.min()) / max(span, 1e-9))
        clipped = image_io.to_uint8(after)
        delta = after - clean / 255
        facts = {
            "steps": STEPS,
            "reported": {
                "clean_on_0_to_255": self._seen(self._raw(tf.constant(clean))),
                "attacked_on_0_to_1": self._seen(self._raw(values)),
            },
            "measured": {
                "clean_on_0_to_1_raw": self._seen(self._raw(tf.constant(clean / 255))),
                "clean_right": self._seen(self.network.logits(picture[None])),
                "shown_right": self._seen(self.network.logits(stretched)),
                "clipped_right": self._seen(self.network.logits(clipped)),
                "linf": float(np.abs(delta).max()),
                "l2": float(np.sqrt((delta.astype(np.float64) ** 2).sum())),
                "out_of_range": float(((after < 0) | (after > 1)).mean()),
            },
        }
        return facts, stretched[0]

    def _seen(self, logits: Any) -> dict[str, Any]:
        """Return the class that is seen first, and the probability of the target."""
        share = classification.probabilities(np.asarray(logits))[0]
        first = int(share.argmax())
        return {
            "class": self.network.labels[first],
            "probability": float(share[first]),
            "target_probability": float(share[self.target]),
        }


def _captions(
    reported: Mapping[str, Any], measured: Mapping[str, Any], item: Mapping[str, Any]
) -> tuple[str, str, str]:
    """Return what stands under the photograph, the lesson's picture and ours."""

    def words(seen: Mapping[str, Any]) -> str:
        return f"{seen['class']} {seen['probability']:.3f}"

    norm = item["norm"]
    return (
        f"photograph\nto the lesson, on 0 to 255: "
        f"{words(reported['clean_on_0_to_255'])}\n"
        f"to the network: {words(measured['clean_right'])}",
        f"the lesson's, linf {Epsilon(measured['linf'])}\n"
        f"to the lesson, on 0 to 1: {words(reported['attacked_on_0_to_1'])}\n"
        f"to the network, as shown (stretched): {words(measured['shown_right'])}\n"
        f"as it was judged (clipped): {words(measured['clipped_right'])}",
        f"the right one, {norm} {Epsilon(item[norm], norm)}\n"
        f"to the network: {item['final_class']} {item['final_probability']:.3f}",
    )
