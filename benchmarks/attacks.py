"""Attacks against foolbox, ART and cleverhans: seconds a step, success, smallest norms.

python benchmarks/attacks.py [--questions step success least] [--images FOLDER]
                             [--batch 8] [--steps 20] [--rounds 5] [--cpu_time]
                             [--slow] [--output FILE.json]

All attack the same MobileNetV2 1.0: with ImageNet weights where `--images` names
photographs, else with random weights, calibrated. Peers get the Keras network, as their
own documentation has it; one that is not installed is left out
(`pip install '.[benchmarks]'`). Three questions:

- `step`: seconds a step of targeted PGD that nobody leaves, beside bare traced passes:
  forward and backward of the same network, no attack. `bare` has variables, and
  `bare_constants` constant weights, as our attacks have. Every round has one of each,
  in turn; a first one traces. `to_ours` are medians of the ratios of one round. On a
  busy machine `--cpu_time` counts the processor's seconds instead of the clock's.
- `success`: seconds to the first success of all images, in at most 40 steps; the
  peers make them all. Each round as above. `share_fooled` is of the images that each
  has made. `equal_steps` is how many steps ours has made of the image that took the
  most; the ratios `equal_steps_to_ours` and `share_fooled_at_equal_steps` are of peers
  that make just so many. Only with photographs.
- `least`: the smallest perturbations of the same photographs with 100 gradients:
  medians of ours (FMN) and of the peers' attacks, and how often each has asked the
  network about an image, as counted: ART's attacks heed no such budget. That of linf
  takes minutes a photograph, and is asked with `--slow` alone. Only with photographs.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from results import spreads, tell

from tfpipeline.config import DistributeSettings, ModelSettings
from tfpipeline.core import hardware, image_io, startup

EPSILON, STEP, TARGET, BUDGET = 8 / 255, 1 / 255, 284, 100


QUESTIONS = ("step", "success", "least")


def in_turn(
    ways: Mapping[str, Callable[[], object]], rounds: int, clock: Callable[[], float]
) -> dict[str, list[float]]:
    """Return how long each way takes in each round, after one that does not count."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            started = clock()
            way()
            spent = clock() - started
            if number:
                taken[name].append(spent)
            print(f"{name}, round {number}: {spent:.2f} s", file=sys.stderr)
    return taken


class Counted:
    """A network that counts the questions of those who ask outside of a trace."""

    def __init__(self, model: Any) -> None:
        self.model, self.asked = model, 0

    def __call__(self, image: Any, training: bool = False) -> Any:
        """Return the logits."""
        self.asked += int(image.shape[0] or 0)
        return self.model(image, training=training)


class Bench:
    """One network, some images, and everybody's ways to attack them."""

    def __init__(self, network: Any, pictures: np.ndarray, strategy: Any) -> None:
        from tfpipeline.attack import experiment

        self.strategy = strategy
        self.clean = pictures.astype(np.float32) / np.float32(255)
        self.target = np.full(len(pictures), TARGET)
        self.label = network.logits(pictures).argmax(-1)
        # What `attack` asks, and what everybody else does.
        (self.ask,) = experiment.models([network], network.size)
        self.model = network.model

    def campaign(self, part: Any, norm: str, **model: Any) -> Any:
        """Return one of ours."""
        from tfpipeline.attack.engine.model import AttackedModel
        from tfpipeline.attack.engine.norms import NORMS
        from tfpipeline.attack.engine.sequence import Campaign

        whom = AttackedModel([self.ask], **model)
        count = len(self.clean)
        return Campaign(
            whom, NORMS[norm], [part], self.strategy, False, batch_size=count
        )

    def ours(self, steps: int, confidence: float) -> Callable[[], Any]:
        """Return targeted PGD of ours; with much confidence nobody leaves."""
        from tfpipeline.attack.engine.gradient import Iterative
        from tfpipeline.attack.engine.loop import Goals
        from tfpipeline.attack.engine.registry import Part

        part = Part(Iterative(steps, STEP / EPSILON))
        one = self.campaign(part, "linf", targeted=True, confidence=confidence)
        goals = Goals.of(self.clean, list(self.target), EPSILON)
        return lambda: one.run(goals).image

    def steps_to_success(self, most: int) -> int:
        """Return the steps of the image that ours has made the most of."""
        from tfpipeline.attack.engine.gradient import Iterative
        from tfpipeline.attack.engine.loop import Goals
        from tfpipeline.attack.engine.registry import Part

        part = Part(Iterative(most, STEP / EPSILON))
        one = self.campaign(part, "linf", targeted=True, confidence=0.0)
        goals = Goals.of(self.clean, list(self.target), EPSILON)
        return int(one.run(goals).steps.max())

    def fooled(self, images: Any) -> float:
        """Return the share of images that get the target, as the network sees them."""
        answers = np.asarray(self.model(images, training=False)).argmax(-1)
        return float(np.mean(answers == self.target))

    def bare(self, steps: int) -> Callable[[], Any]:
        """Return as many forward and backward passes."""
        return self._passes(steps, lambda x: self.model(x, training=False))

    def bare_constants(self, steps: int) -> Callable[[], Any]:
        """Return the same where the weights are constants."""
        from tfpipeline.models.constant_weights import Frozen

        return self._passes(steps, Frozen(self.model))

    def _passes(self, steps: int, ask: Callable[[Any], Any]) -> Callable[[], Any]:
        import tensorflow as tf

        image, target = tf.constant(self.clean), tf.constant(self.target)

        @tf.function(autograph=False)
        def passes(image: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(image)
                loss = tf.nn.sparse_softmax_cross_entropy_with_logits(
                    target, ask(image)
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
                self.model,
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

        model = foolbox.TensorFlowModel(self.model, bounds=(0, 1))
        attack = foolbox.attacks.LinfPGD(
            abs_stepsize=STEP, steps=steps, random_start=False
        )
        goal = foolbox.criteria.TargetedMisclassification(tf.constant(self.target))
        image = tf.constant(self.clean)
        return lambda: np.asarray(attack(model, image, goal, epsilons=EPSILON)[1])

    def art_classifier(self, model: Any) -> Any:
        """Return a network as ART has it."""
        import keras
        from art.estimators.classification import TensorFlowV2Classifier

        return TensorFlowV2Classifier(
            model=model,
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
            self.art_classifier(self.model),
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

    def least(
        self, norm: str, slow: bool
    ) -> tuple[dict[str, np.ndarray], dict[str, float]]:
        """Return the smallest perturbations that each has found, and its questions."""
        from tfpipeline.attack.engine.loop import Goals
        from tfpipeline.attack.engine.minimal import FastMinimumNorm
        from tfpipeline.attack.engine.registry import Part

        one = self.campaign(
            Part(FastMinimumNorm(BUDGET), "margin"), norm, targeted=False
        )
        ours = one.run(Goals.of(self.clean, list(self.label), 1e9))
        made, asked = {"ours": ours.image}, {"ours": float(ours.steps.mean())}
        peers = [self._least_foolbox]
        peers += [self._least_art] if slow or norm != "linf" else []
        for peer in peers:
            model = Counted(self.model)
            try:
                ways = peer(norm, model)
            except ImportError:
                continue
            for name, way in ways.items():
                print(f"smallest {norm}: {name}", file=sys.stderr)
                model.asked = 0
                made[name] = way()
                asked[name] = model.asked / len(self.clean)
        outcome = {}
        for name, image in made.items():
            size = one.sizes(image, self.clean)
            success = one.fooled(image, self.label)
            outcome[name] = np.where(success, size, np.inf)
        return outcome, asked

    def _least_foolbox(
        self, norm: str, counted: Counted
    ) -> dict[str, Callable[[], Any]]:
        import foolbox
        import tensorflow as tf

        model = foolbox.TensorFlowModel(counted, bounds=(0, 1))
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

        def way(attack: Any) -> Callable[[], Any]:
            return lambda: np.asarray(attack(model, image, label, epsilons=None)[1])

        return {name: way(attack) for name, attack in some.items()}

    def _least_art(self, norm: str, counted: Counted) -> dict[str, Callable[[], Any]]:
        # Its DeepFool takes the gradients of all 1,000 classes: minutes a photograph.
        from art.attacks.evasion import CarliniL2Method, CarliniLInfMethod

        more = {"batch_size": len(self.clean), "verbose": False}
        network = self.art_classifier(counted)
        if norm == "linf":
            attack = CarliniLInfMethod(network, max_iter=10, **more)
        else:
            attack = CarliniL2Method(
                network, binary_search_steps=4, max_iter=BUDGET // 4, **more
            )
        return {"art_carlini": lambda: attack.generate(self.clean)}


def photographs(folder: Path, size: tuple[int, int], count: int) -> np.ndarray:
    """Return some photographs of a folder."""
    files = sorted(file for file in folder.iterdir() if file.is_file())
    some = files[:: max(1, len(files) // count)][:count]
    return np.stack([image_io.read(file, *size, how="squash") for file in some])


def steps(bench: Bench, given: argparse.Namespace) -> dict[str, Any]:
    """Return the seconds of a step of each, and their ratios to ours."""
    ways = {"ours": bench.ours(given.steps, 1e9)}
    ways |= {n: getattr(bench, n)(given.steps) for n in ("bare", "bare_constants")}
    for name in ("cleverhans", "foolbox", "art"):
        try:
            ways[name] = getattr(bench, name)(given.steps)
        except ImportError:
            continue
    taken = in_turn(ways, given.rounds, given.clock)
    return {
        "seconds_a_step": {
            name: statistics.median(some) / given.steps for name, some in taken.items()
        },
        **_to_ours("to_ours", taken),
    }


def success(bench: Bench, given: argparse.Namespace) -> dict[str, Any]:
    """Return the seconds until all images fool, and how many do after 40 steps."""
    equal = bench.steps_to_success(40)
    taken, fooled = _succeeding(bench, given, 40)
    at_equal, fooled_at_equal = _succeeding(bench, given, equal)
    return {
        "seconds_to_success": {n: statistics.median(some) for n, some in taken.items()},
        **_to_ours("seconds_to_success_to_ours", taken),
        "share_fooled": fooled,
        "equal_steps": equal,
        **_to_ours("equal_steps_to_ours", at_equal),
        "share_fooled_at_equal_steps": fooled_at_equal,
    }


def _succeeding(
    bench: Bench, given: argparse.Namespace, steps: int
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Return the seconds of each with so many steps at most, and whom they fool."""
    ways = {"ours": bench.ours(steps, 0.0)}
    for name in ("cleverhans", "foolbox", "art"):
        try:
            ways[name] = getattr(bench, name)(steps)
        except ImportError:
            continue
    made: dict[str, Any] = {}

    def keeping(name: str, way: Callable[[], Any]) -> Callable[[], None]:
        return lambda: made.update({name: way()})

    kept = {name: keeping(name, way) for name, way in ways.items()}
    taken = in_turn(kept, given.rounds, given.clock)
    return taken, {name: bench.fooled(image) for name, image in made.items()}


def smallest(bench: Bench, given: argparse.Namespace) -> dict[str, Any]:
    """Return the medians of the smallest perturbations, and who has asked how often."""
    result: dict[str, Any] = {}
    for norm in ("linf", "l2"):
        outcome, asked = bench.least(norm, given.slow)
        result[f"median_{norm}"] = {n: float(np.median(s)) for n, s in outcome.items()}
        result[f"questions_{norm}"] = asked
    return result


def _to_ours(key: str, taken: Mapping[str, list[float]]) -> dict[str, Any]:
    """Return medians and ranges of the ratios of the rounds."""
    ratios = {
        name: [a / b for a, b in zip(some, taken["ours"])]
        for name, some in taken.items()
    }
    return spreads(key, ratios)


def options() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", nargs="+", choices=QUESTIONS, default=QUESTIONS)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cpu_time", action="store_true")
    parser.add_argument("--slow", action="store_true")
    parser.add_argument("--images", type=Path)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    given.clock = time.process_time if given.cpu_time else time.perf_counter
    return given


def main() -> None:
    """Print the figures; write JSON where asked to."""
    given = options()
    with startup.quiet_start():
        from tfpipeline import distribute
        from tfpipeline.models import load_network

        strategy = distribute.start(DistributeSettings("one_device"), "float32", 0)
        settings = ModelSettings(weights="imagenet" if given.images else "none")
        network = load_network.open_network(None, settings, names_needed=False)
    if given.images:
        pictures = photographs(given.images, network.size, given.batch)
    else:
        coarse = np.random.default_rng(0).integers(0, 256, (given.batch, 14, 14, 3))
        pictures = np.stack(
            [image_io.resize(np.uint8(c), *network.size, how="squash") for c in coarse]
        )
    bench = Bench(network, pictures, strategy)
    result: dict[str, Any] = {
        "batch": len(pictures),
        "cpu_cores": hardware.cores(),
        "load_before": os.getloadavg()[0],
        "cpu_time": given.cpu_time,
    }
    answers = {"step": steps, "success": success, "least": smallest}
    for name in QUESTIONS:
        if name in given.questions and (name == "step" or given.images):
            result |= answers[name](bench, given)
    tell(result, given.output)


if __name__ == "__main__":
    main()
