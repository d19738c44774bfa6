"""The same attacks by foolbox and by ART, on the same trained network and budget.

Both are in the extra `benchmarks`; what is not installed is skipped, saying so.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.attack.engine.base import Attack
from tfpipeline.attack.engine.gradient import Iterative
from tfpipeline.attack.engine.loop import Goals, Outcome
from tfpipeline.attack.engine.minimal import CarliniWagner, DeepFool, FastMinimumNorm
from tfpipeline.attack.engine.model import AttackedModel
from tfpipeline.attack.engine.norms import NORMS
from tfpipeline.attack.engine.registry import Part
from tfpipeline.attack.engine.sequence import Campaign

pytestmark = [
    # What peers themselves say of what they import and how they are written.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:foolbox"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:eagerpy"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:art"),
]

# Radii at which some images fall and some do not.
RADII = {"linf": 0.085, "l2": 0.98}
STEPS, CLASSES, SHAPE = 20, 4, (8, 8, 3)
ORDERS = {"linf": np.inf, "l2": 2}


@dataclass(frozen=True)
class Ground:
    """A network, and images that it is right about.

    Args:
        model: From images in [0, 1] to logits.
        clean: float32, shape (n, 8, 8, 3).
        label: int64, as foolbox needs it under NumPy 2, shape (n,).
    """

    model: keras.Model
    clean: np.ndarray
    label: np.ndarray

    def ours(self, attack: Attack, norm: str, radius: float, loss: str) -> Outcome:
        """Return what one of our attacks comes to."""
        one = Campaign(
            AttackedModel([lambda x: self.model(x, training=False)], False),
            NORMS[norm],
            [Part(attack, loss)],
            tf.distribute.get_strategy(),
            grid=False,
            batch_size=len(self.clean),
        )
        return one.run(Goals.of(self.clean, list(self.label), radius))

    def fooled(self, image: np.ndarray) -> np.ndarray:
        """Tell which images are taken for another class."""
        return np.asarray(self.model(image)).argmax(-1) != self.label

    def sizes(self, image: np.ndarray, norm: str) -> np.ndarray:
        """Return the norms of what fools; of the rest they have no end."""
        delta = (np.float64(image) - self.clean).reshape(len(image), -1)
        size = np.linalg.norm(delta, ORDERS[norm], axis=1)
        return np.where(self.fooled(image), size, np.inf)


@pytest.fixture(scope="module")
def ground() -> Ground:
    """A network of two layers that has learned four kinds of noisy pictures."""
    keras.utils.set_random_seed(5)
    rng = np.random.default_rng(5)
    kinds = rng.uniform(0.3, 0.7, (CLASSES, *SHAPE))
    label = np.arange(400) % CLASSES
    noisy = kinds[label] + rng.normal(0, 0.15, (400, *SHAPE))
    image = np.clip(noisy, 0, 1).astype(np.float32)
    model = keras.Sequential(
        [
            keras.Input(SHAPE),
            keras.layers.Flatten(),
            keras.layers.Dense(32, "gelu"),
            keras.layers.Dense(CLASSES),
        ]
    )
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_variables)

    @tf.function(autograph=False)
    def learn() -> None:
        with tf.GradientTape() as tape:
            logits = model(image, training=True)
            each = tf.nn.sparse_softmax_cross_entropy_with_logits(label, logits)
            loss = tf.reduce_mean(each)
        some = model.trainable_variables
        optimizer.apply(tape.gradient(loss, some), some)

    for _ in range(60):
        learn()
    model.trainable = False
    right = np.asarray(model(image)).argmax(-1) == label
    assert right.mean() > 0.95
    return Ground(model, image[right][:24], label[right][:24])


@pytest.fixture(scope="module")
def foolbox() -> ModuleType:
    return pytest.importorskip("foolbox", exc_type=ImportError)


@pytest.fixture(scope="module")
def art(ground: Ground) -> Any:
    """The network as ART has it."""
    pytest.importorskip("art", exc_type=ImportError)
    from art.estimators.classification import TensorFlowV2Classifier

    return TensorFlowV2Classifier(
        model=ground.model,
        nb_classes=CLASSES,
        input_shape=SHAPE,
        clip_values=(0, 1),
        loss_object=keras.losses.CategoricalCrossentropy(
            from_logits=True, reduction="sum"
        ),
    )


def by_foolbox(
    foolbox: ModuleType, ground: Ground, attack: Any, radius: float | None
) -> np.ndarray:
    """Return the images that an attack of foolbox makes."""
    model = foolbox.TensorFlowModel(ground.model, bounds=(0, 1))
    image, label = tf.constant(ground.clean), tf.constant(ground.label)
    return np.asarray(attack(model, image, label, epsilons=radius)[1])


def one_hot(ground: Ground) -> np.ndarray:
    return keras.utils.to_categorical(ground.label, CLASSES)


def test_one_step_makes_the_image_of_foolbox(ground: Ground, foolbox) -> None:
    outcome = ground.ours(Iterative(1, 1.0), "linf", RADII["linf"], "cross_entropy")
    attack = foolbox.attacks.LinfFastGradientAttack(random_start=False)
    image = by_foolbox(foolbox, ground, attack, RADII["linf"])
    assert np.allclose(outcome.image, image, atol=1e-6)


def test_one_step_makes_the_image_of_art(ground: Ground, art) -> None:
    from art.attacks.evasion import FastGradientMethod

    outcome = ground.ours(Iterative(1, 1.0), "linf", RADII["linf"], "cross_entropy")
    image = FastGradientMethod(art, eps=RADII["linf"]).generate(
        ground.clean, y=one_hot(ground)
    )
    assert np.allclose(outcome.image, image, atol=1e-6)


@pytest.mark.parametrize("norm", RADII)
def test_many_steps_fool_where_those_of_foolbox_do(
    norm: str, ground: Ground, foolbox
) -> None:
    outcome = ground.ours(Iterative(STEPS, 0.1), norm, RADII[norm], "cross_entropy")
    name = {"linf": "LinfPGD", "l2": "L2PGD"}[norm]
    attack = getattr(foolbox.attacks, name)(
        abs_stepsize=0.1 * RADII[norm], steps=STEPS, random_start=False
    )
    theirs = ground.fooled(by_foolbox(foolbox, ground, attack, RADII[norm]))
    assert 0 < theirs.sum() < len(theirs), "a radius at which the two can differ"
    assert (outcome.success >= theirs).all()


@pytest.mark.parametrize("norm", RADII)
def test_many_steps_fool_where_those_of_art_do(norm: str, ground: Ground, art) -> None:
    from art.attacks.evasion import ProjectedGradientDescent

    outcome = ground.ours(Iterative(STEPS, 0.1), norm, RADII[norm], "cross_entropy")
    attack = ProjectedGradientDescent(
        art,
        norm=ORDERS[norm],
        eps=RADII[norm],
        eps_step=0.1 * RADII[norm],
        max_iter=STEPS,
        num_random_init=0,
        verbose=False,
    )
    theirs = ground.fooled(attack.generate(ground.clean, y=one_hot(ground)))
    assert 0 < theirs.sum() < len(theirs), "a radius at which the two can differ"
    assert (outcome.success >= theirs).all()


# Of the norm: our attack, and the foolbox class, at the same number of gradients.
LEAST: dict[tuple[str, str], tuple[Attack, Callable[[Any], Any]]] = {
    ("fmn", "linf"): (
        FastMinimumNorm(100),
        lambda some: some.LInfFMNAttack(steps=100),
    ),
    ("fmn", "l2"): (FastMinimumNorm(100), lambda some: some.L2FMNAttack(steps=100)),
    ("deepfool", "linf"): (DeepFool(), lambda some: some.LinfDeepFoolAttack(steps=50)),
    ("deepfool", "l2"): (DeepFool(), lambda some: some.L2DeepFoolAttack(steps=50)),
    ("carlini_wagner", "l2"): (
        CarliniWagner(6, 50),
        lambda some: some.L2CarliniWagnerAttack(binary_search_steps=6, steps=50),
    ),
}


@pytest.mark.parametrize(("name", "norm"), LEAST)
def test_smallest_perturbations_are_those_of_foolbox_or_smaller(
    name: str, norm: str, ground: Ground, foolbox
) -> None:
    attack, peer = LEAST[name, norm]
    ours = ground.sizes(ground.ours(attack, norm, 1e9, "margin").image, norm)
    image = by_foolbox(foolbox, ground, peer(foolbox.attacks), None)
    ratio = ours / ground.sizes(image, norm)
    assert np.isfinite(ours).all()
    assert np.median(ratio) <= 1.005 and (ratio <= 1.05).all()


def test_deepfool_goes_no_further_than_that_of_art(ground: Ground, art) -> None:
    from art.attacks.evasion import DeepFool as Theirs

    # It takes the gradients of all classes, one photograph after the other.
    some = dataclasses.replace(ground, clean=ground.clean[:8], label=ground.label[:8])
    ours = some.sizes(some.ours(DeepFool(), "l2", 1e9, "margin").image, "l2")
    attack = Theirs(art, epsilon=0.02, nb_grads=CLASSES, verbose=False)
    ratio = ours / some.sizes(attack.generate(some.clean), "l2")
    assert np.median(ratio) <= 1.005 and (ratio <= 1.05).all()
