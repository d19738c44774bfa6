"""Attacks against foolbox, ART and cleverhans: seconds a step, success, smallest norms.

python benchmarks/attacks.py [--batch 8] [--steps 20] [--rounds 5] [--images FOLDER]
                             [--output FILE.json]

All attack the same MobileNetV2 1.0: with ImageNet weights where `--images` names
photographs, else with random weights, calibrated. A peer that is not installed is left
out (`pip install '.[benchmarks]'`). Three questions:

- Seconds a step of targeted PGD that nobody leaves, beside a bare traced pass: forward
  and backward, no attack. Every round has one of each, in turn; a first one traces.
- Seconds to the first success of all images, in at most 40 steps; of cleverhans, which
  makes them all. Only with photographs.
- The smallest perturbations of the same photographs with the same number of gradients,
  100: medians of ours (FMN) and of the peers' best attacks. Only with photographs.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from results import tell

from tfpipeline import cli, images
from tfpipeline.config import DistributeSettings, ModelSettings

EPSILON, STEP, TARGET, BUDGET = 8 / 255, 1 / 255, 284, 100


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


class Bench:
    """One network, some images, and everybody's ways to attack them."""

    def __init__(self, network: Any, pictures: np.ndarray, strategy: Any) -> None:
        self.network, self.strategy = network, strategy
        self.clean = pictures.astype(np.float32) / np.float32(255)
        self.target = np.full(len(pictures), TARGET)
        self.label = network.logits(pictures).argmax(-1)

    def forward(self, image: Any) -> Any:
        """Return the logits."""
        return self.network.model(image, training=False)

    def campaign(self, part: Any, norm: str, **victim: Any) -> Any:
        """Return one of ours."""
        from tfpipeline.adversarial.campaign import Campaign
        from tfpipeline.adversarial.norms import NORMS
        from tfpipeline.adversarial.victim import Victim

        whom = Victim([self.forward], **victim)
        count = len(self.clean)
        return Campaign(
            whom, NORMS[norm], [part], self.strategy, False, batch_size=count
        )

    def ours(self, steps: int, confidence: float) -> Callable[[], Any]:
        """Return targeted PGD of ours; with much confidence nobody leaves."""
        from tfpipeline.adversarial.attacks import Part
        from tfpipeline.adversarial.iterative import Iterative
        from tfpipeline.adversarial.loop import Wanted

        part = Part(Iterative(steps, STEP / EPSILON))
        one = self.campaign(part, "linf", targeted=True, confidence=confidence)
        wanted = Wanted.of(self.clean, list(self.target), EPSILON)
        return lambda: one.run(wanted).image

    def bare(self, steps: int) -> Callable[[], Any]:
        """Return as many forward and backward passes."""
        import tensorflow as tf

        image, target = tf.constant(self.clean), tf.constant(self.target)

        @tf.function(autograph=False)
        def passes(image: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(image)
                loss = tf.nn.sparse_softmax_cross_entropy_with_logits(
                    target, self.forward(image)
                )
            return tape.gradient(loss, image)

        def run() -> Any:
            for _ in range(steps):
                gradient = passes(image)
            return np.asarray(gradient)

        return run

    def cleverhans(self, steps: int) -> Callable[[], Any]:
        """Return targeted PGD of cleverhans."""
        import tensorflow as tf
        from cleverhans.tf2.attacks import projected_gradient_descent as pgd

        image, target = tf.constant(self.clean), tf.constant(self.target, tf.int64)
        return lambda: np.asarray(
            pgd.projected_gradient_descent(
                self.forward,
                image,
                EPSILON,
                STEP,
                steps,
                np.inf,
                clip_min=0.0,
                clip_max=1.0,
                y=target,
                targeted=True,
                rand_init=False,
                sanity_checks=False,
            )
        )

    def foolbox(self, steps: int) -> Callable[[], Any]:
        """Return targeted PGD of foolbox."""
        import foolbox
        import tensorflow as tf

        model = foolbox.TensorFlowModel(self.network.model, bounds=(0, 1))
        attack = foolbox.attacks.LinfPGD(
            abs_stepsize=STEP, steps=steps, random_start=False
        )
        goal = foolbox.criteria.TargetedMisclassification(tf.constant(self.target))
        image = tf.constant(self.clean)
        return lambda: np.asarray(attack(model, image, goal, epsilons=EPSILON)[1])

    def art_classifier(self) -> Any:
        """Return the network as ART has it."""
        import keras
        from art.estimators.classification import TensorFlowV2Classifier

        return TensorFlowV2Classifier(
            model=self.network.model,
            nb_classes=1000,
            input_shape=self.clean.shape[1:],
            clip_values=(0, 1),
            loss_object=keras.losses.CategoricalCrossentropy(
                from_logits=True, reduction="sum_over_batch_size"
            ),
        )

    def art(self, steps: int) -> Callable[[], Any]:
        """Return targeted PGD of ART."""
        import keras
        from art.attacks.evasion import ProjectedGradientDescent

        attack = ProjectedGradientDescent(
            self.art_classifier(),
            norm=np.inf,
            eps=EPSILON,
            eps_step=STEP,
            max_iter=steps,
            targeted=True,
            num_random_init=0,
            batch_size=len(self.clean),
            verbose=False,
        )
        target = keras.utils.to_categorical(self.target, 1000)
        return lambda: attack.generate(self.clean, y=target)

    def least(self, norm: str) -> dict[str, np.ndarray]:
        """Return the smallest perturbations that each has found, by name."""
        from tfpipeline.adversarial.attacks import Part
        from tfpipeline.adversarial.loop import Wanted
        from tfpipeline.adversarial.minimal_norm import FastMinimumNorm

        one = self.campaign(
            Part(FastMinimumNorm(BUDGET), "margin"), norm, targeted=False
        )
        made = {"ours": one.run(Wanted.of(self.clean, list(self.label), 1e9)).image}
        for peer in (self._least_foolbox, self._least_art):
            try:
                made |= peer(norm)
            except ImportError:
                continue
        found = {}
        for name, image in made.items():
            size = one.sizes(image, self.clean)
            success = one.fooled(image, self.label)
            found[name] = np.where(success, size, np.inf)
        return found

    def _least_foolbox(self, norm: str) -> dict[str, np.ndarray]:
        import foolbox
        import tensorflow as tf

        model = foolbox.TensorFlowModel(self.network.model, bounds=(0, 1))
        some = {
            "linf": {
                "foolbox_fmn": foolbox.attacks.LInfFMNAttack(steps=BUDGET),
            },
            "l2": {
                "foolbox_fmn": foolbox.attacks.L2FMNAttack(steps=BUDGET),
                "foolbox_ddn": foolbox.attacks.DDNAttack(steps=BUDGET),
                "foolbox_cw": foolbox.attacks.L2CarliniWagnerAttack(
                    binary_search_steps=4, steps=BUDGET // 4
                ),
            },
        }[norm]
        label, image = tf.constant(self.label), tf.constant(self.clean)
        return {
            name: np.asarray(attack(model, image, label, epsilons=None)[1])
            for name, attack in some.items()
        }

    def _least_art(self, norm: str) -> dict[str, np.ndarray]:
        # Its DeepFool takes the gradients of all 1,000 classes: minutes a photograph.
        from art.attacks.evasion import CarliniL2Method, CarliniLInfMethod

        more = {"batch_size": len(self.clean), "verbose": False}
        if norm == "linf":
            attack = CarliniLInfMethod(self.art_classifier(), max_iter=10, **more)
        else:
            attack = CarliniL2Method(
                self.art_classifier(),
                binary_search_steps=4,
                max_iter=BUDGET // 4,
                **more,
            )
        return {"art_carlini": attack.generate(self.clean)}


def photographs(folder: Path, size: tuple[int, int], count: int) -> np.ndarray:
    """Return some photographs of a folder."""
    files = sorted(file for file in folder.iterdir() if file.is_file())
    some = files[:: max(1, len(files) // count)][:count]
    return np.stack([images.read(file, *size, how="squash") for file in some])


def main() -> None:
    """Print the figures; write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    with cli.quiet_start():
        from tfpipeline import distribution
        from tfpipeline.workflow import networks

        strategy = distribution.start(DistributeSettings("one_device"), "float32", 0)
        settings = ModelSettings(weights="imagenet" if given.images else "none")
        network = networks.open_network(None, settings, names_needed=False)
    if given.images:
        pictures = photographs(given.images, network.size, given.batch)
    else:
        coarse = np.random.default_rng(0).integers(0, 256, (given.batch, 14, 14, 3))
        pictures = np.stack(
            [images.resize(np.uint8(c), *network.size, how="squash") for c in coarse]
        )
    bench = Bench(network, pictures, strategy)
    ways = {"ours": bench.ours(given.steps, 1e9), "bare": bench.bare(given.steps)}
    for name in ("cleverhans", "foolbox", "art"):
        try:
            ways[name] = getattr(bench, name)(given.steps)
        except ImportError:
            continue
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(given.rounds + 1):
        for name, way in ways.items():
            spent = seconds(way) / given.steps
            if number:
                taken[name].append(spent)
    medians = {name: statistics.median(some) for name, some in taken.items()}
    result: dict[str, Any] = {"batch": given.batch, "seconds_a_step": medians}
    result["to_ours"] = {n: m / medians["ours"] for n, m in medians.items()}
    if given.images:
        first = {"ours": bench.ours(40, 0.0)}
        if "cleverhans" in ways:
            first["cleverhans"] = bench.cleverhans(40)
        for way in first.values():
            way()
        result["seconds_to_success"] = {n: seconds(way) for n, way in first.items()}
        for norm in ("linf", "l2"):
            result[f"median_{norm}"] = {
                name: float(np.median(some)) for name, some in bench.least(norm).items()
            }
    tell(result, given.output)


if __name__ == "__main__":
    main()
