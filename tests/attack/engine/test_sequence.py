"""Attacks in closed form, in a row, and by bisection."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.attack.engine import registry
from tfpipeline.attack.engine.gradient import Apgd, Iterative
from tfpipeline.attack.engine.loop import Goals
from tfpipeline.attack.engine.minimal import CarliniWagner, DeepFool, FastMinimumNorm
from tfpipeline.attack.engine.model import AttackedModel
from tfpipeline.attack.engine.norms import NORMS
from tfpipeline.attack.engine.registry import ATTACKS, ONLY_IN, Part
from tfpipeline.attack.engine.sequence import Campaign, smallest
from tfpipeline.attack.engine.square import Square
from tfpipeline.config.adversary import AdversarySettings

ONE = tf.distribute.get_strategy()
EVERY = [
    (name, norm)
    for name in ATTACKS
    for norm in NORMS
    if norm in ONLY_IN.get(name, NORMS)
]


def campaign(network, parts, norm="linf", **more) -> Campaign:
    more = {"grid": False, "batch_size": 4} | more
    targeted = more.pop("targeted", False)
    return Campaign(AttackedModel([network], targeted), NORMS[norm], parts, ONE, **more)


def quick(name: str, norm: str) -> tuple[Part, ...]:
    return registry.choose(AdversarySettings(name, steps=12), norm, targeted=False)


def labels(network, pictures: np.ndarray) -> np.ndarray:
    return np.asarray(network(pictures.astype(np.float32) / 255)).argmax(-1)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(
    "attack", [Iterative(60, 1.0), Apgd(60)], ids=["iterative", "apgd"]
)
def test_a_linear_network_is_climbed_as_far_as_its_dual_norm_allows(
    norm: str, attack, linear
) -> None:
    linear.offset -= 9  # So far from the plane that nobody leaves before the end.
    epsilon = {"linf": 0.01, "l2": 0.05, "l1": 0.08}[norm]
    goals = Goals.of(linear.clean, [0] * 5, epsilon)
    outcome = campaign(linear, [Part(attack, "margin")], norm).run(goals)
    assert not outcome.success.any()
    risen = linear.margin(outcome.image) - linear.margin(linear.clean)
    dual = float(NORMS[norm].dual(tf.constant(linear.slope[None]))[0])
    assert np.allclose(risen, epsilon * dual, rtol=0.03)
    assert (risen <= epsilon * dual * (1 + 1e-4)).all()


def test_fgsm_of_a_linear_network_is_the_sign_of_its_slope(linear) -> None:
    outcome = campaign(linear, ATTACKS["fgsm"]).run(
        Goals.of(linear.clean, [0] * 5, 0.01)
    )
    assert np.allclose(outcome.image, linear.clean + 0.01 * np.sign(linear.slope))


@pytest.mark.parametrize("norm", NORMS)
def test_the_smallest_perturbation_of_a_linear_network_is_known(
    norm: str, linear
) -> None:
    distance = -linear.margin(linear.clean)
    exact = distance / float(NORMS[norm].dual(tf.constant(linear.slope[None]))[0])
    for attack in (FastMinimumNorm(120), DeepFool(), CarliniWagner(8, 80)):
        if norm not in ONLY_IN.get(_row(attack), NORMS):
            continue
        one = campaign(linear, [Part(attack, "margin")], norm)
        outcome = one.run(Goals.of(linear.clean, [0] * 5, 1e9))
        assert outcome.success.all()
        size = one.sizes(outcome.image, linear.clean)
        assert (size >= exact * (1 - 1e-4)).all()
        assert (size <= exact * 1.05).all(), type(attack)


def test_on_the_grid_the_smallest_perturbation_is_the_next_whole_step(linear) -> None:
    """Half a step too little must not be tried for ever."""
    slope = float(np.abs(linear.slope).sum())
    clean = np.round(linear.clean * 255) / 255
    linear.offset = (
        float(-linear.margin(clean).max() + linear.offset) - 6.47 * slope / 255
    )
    exact = -linear.margin(clean) / slope * 255
    outcome = campaign(linear, ATTACKS["fmn"], grid=True).run(
        Goals.of(clean.astype(np.float32), [0] * 5, 1e9)
    )
    size = campaign(linear, ()).sizes(outcome.image, clean) * 255
    assert outcome.success.all()
    assert (size >= exact - 1e-3).all() and (size <= np.ceil(exact) + 1.01).all()


def _row(attack) -> str:
    return next(
        n for n, parts in ATTACKS.items() if type(parts[0].attack) is type(attack)
    )


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_bisection_finds_the_boundary_of_a_linear_network(norm: str, linear) -> None:
    exact = -linear.margin(linear.clean)
    exact /= float(NORMS[norm].dual(tf.constant(linear.slope[None]))[0])
    one = campaign(linear, [Part(Iterative(30), "margin")], norm)
    outcome = smallest(one, Goals.of(linear.clean, [0] * 5, 4 * exact.max()), rounds=10)
    size = one.sizes(outcome.image, linear.clean)
    assert outcome.success.all()
    assert (size >= exact * 0.999).all() and (size <= exact * 1.02).all()


class Planar:
    """Two inputs, two classes: the nearest boundary can be looked up."""

    def __init__(self) -> None:
        keras.utils.set_random_seed(11)
        hidden = keras.layers.Dense(12, "tanh", kernel_initializer="he_normal")
        self.inner = keras.Sequential(
            [keras.Input((2,)), hidden, keras.layers.Dense(2)]
        )
        self.inner.trainable = False

    def __call__(self, image: tf.Tensor) -> tf.Tensor:
        return self.inner(4 * tf.reshape(image, [-1, 2]) - 2, training=False)

    def least(self, clean: np.ndarray, norm: str) -> float:
        """Return the distance to the nearest other class, of a million points."""
        line = np.linspace(0, 1, 1001, dtype=np.float32)
        grid = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
        seen = np.asarray(self(tf.constant(grid))).argmax(-1)
        own = int(np.asarray(self(tf.constant(clean))).argmax())
        delta = grid[seen != own] - clean.reshape(1, 2)
        order = {"linf": np.inf, "l2": 2, "l1": 1}[norm]
        return float(np.linalg.norm(delta, order, axis=1).min())


# By attack and norm: which share has to be within 5 % of the best at least, and how
# many times the best the others may be. In l1 a few end at another corner of their ball
# than the nearest one. DeepFool stops behind the first boundary that it comes to.
NEAR = {
    ("fmn", "linf"): (1.0, 1.05),
    ("fmn", "l2"): (1.0, 1.05),
    ("fmn", "l1"): (0.8, 1.2),
    ("carlini_wagner", "l2"): (1.0, 1.05),
    ("bisection", "l2"): (1.0, 1.05),
    ("bisection", "l1"): (0.7, 1.2),
    ("deepfool", "linf"): (0.0, 4.0),
    ("deepfool", "l2"): (0.0, 2.2),
}

LEAST = {
    "fmn": FastMinimumNorm(200, 0.3),
    "carlini_wagner": CarliniWagner(9, 150),
    "bisection": Iterative(40),
    "deepfool": DeepFool(),
}


@pytest.mark.parametrize(("name", "norm"), NEAR)
def test_the_smallest_perturbations_of_a_curved_network_are_found(
    name: str, norm: str
) -> None:
    network, rng = Planar(), np.random.default_rng(0)
    clean = rng.uniform(0.2, 0.8, (16, 1, 1, 2)).astype(np.float32)
    best = np.array([network.least(one, norm) for one in clean])
    # Beside a boundary the points of the grid lie too far apart.
    clean, best = clean[best > 0.03], best[best > 0.03]
    label = np.asarray(network(tf.constant(clean))).argmax(-1)
    assert len(set(label.tolist())) == 2 and len(best) >= 10
    one = campaign(network, [Part(LEAST[name], "margin")], norm, batch_size=len(best))
    # The largest radius there is, from which the others are halved.
    outcome = smallest(one, Goals.of(clean, label, NORMS[norm].unbounded(2)), rounds=12)
    size, (share, worst) = one.sizes(outcome.image, clean), NEAR[name, norm]
    assert outcome.success.all()
    # The grid's own points are 0.001 apart.
    assert (size <= 1.05 * best + 0.002).mean() >= share
    assert (size <= worst * best + 0.002).all()


# What a series is made of is tried alone in every norm, on the grid, as users have it.
SERIES = ("standard", "apgd_dlr", "apgd_rivals")
KEPT = [(*one, True) for one in EVERY if one[0] not in SERIES]
KEPT += [(name, "linf", False) for name in SERIES]
KEPT += [(*one, False) for one in EVERY if one[0] in ("pgd", *ONLY_IN, "fmn", "square")]


@pytest.mark.parametrize(("name", "norm", "grid"), KEPT)
def test_every_attack_keeps_its_promises(
    name: str, norm: str, grid: bool, small, pictures
) -> None:
    """In range, in the ball, numbers, on the grid; what it calls a success is one."""
    epsilon = {"linf": 2 / 255, "l2": 0.15, "l1": 1.0}[norm]
    one = campaign(small, quick(name, norm), norm, grid=grid)
    label = labels(small, pictures)
    goals = Goals.of(pictures, label, 1e9 if one.minimal else epsilon)
    outcome = one.run(goals)
    assert np.isfinite(outcome.image).all()
    assert outcome.image.min() >= 0 and outcome.image.max() <= 1
    size = one.sizes(outcome.image, goals.clean)
    assert one.minimal or (size <= epsilon + 1e-6).all()
    assert np.array_equal(one.fooled(outcome.image, label), outcome.success)
    # No radius is no change.
    none = one.run(Goals.of(pictures, label, 0.0))
    assert np.array_equal(none.image, goals.clean) and not none.success.any()
    if grid:
        kept = (outcome.image * 255 + 0.5).astype(np.uint8)
        assert np.array_equal(kept.astype(np.float32) / np.float32(255), outcome.image)


@pytest.mark.parametrize("loss", ["margin", "dlr"])
def test_margins_do_not_care_for_the_scale_of_the_logits(
    loss: str, small, pictures
) -> None:
    label = labels(small, pictures)
    rates = []
    for scale in (1, 1000):
        sharp = lambda image, by=scale: by * small(image)  # noqa: E731
        one = campaign(sharp, [Part(Apgd(30), loss)])
        rates.append(one.run(Goals.of(pictures, label, 1.5 / 255)).success.tolist())
    assert rates[0] == rates[1]
    assert any(rates[0])


def test_cross_entropy_does_care(small, pictures) -> None:
    sharp = lambda image: 1000 * small(image)  # noqa: E731
    outcome = campaign(sharp, [Part(Iterative(20))]).run(
        Goals.of(pictures, labels(small, pictures), 2 / 255)
    )
    assert outcome.flat.sum() > 0


def test_restarts_never_hurt(small, pictures) -> None:
    goals = Goals.of(pictures, labels(small, pictures), 0.7 / 255)
    attack = Iterative(2, random_start=True)
    once = campaign(small, [Part(attack, "margin")]).run(goals)
    often = campaign(small, [Part(attack, "margin", restarts=6)]).run(goals)
    assert (often.success >= once.success).all()


def test_a_series_is_as_good_as_the_best_of_its_parts(small, pictures) -> None:
    goals = Goals.of(pictures, labels(small, pictures), 1 / 255)
    parts = quick("standard", "linf")
    whole = campaign(small, parts).run(goals)
    for part in parts:
        alone = campaign(small, [part]).run(goals)
        assert (whole.success >= alone.success).all()


def test_a_target_is_reached(small, pictures) -> None:
    target = (labels(small, pictures) + 2) % 5
    one = campaign(small, [Part(Apgd(60), "margin")], targeted=True)
    outcome = one.run(Goals.of(pictures, target, 0.2))
    assert outcome.success.all()
    assert np.array_equal(np.asarray(small(outcome.image)).argmax(-1), target)


def test_squares_succeed_where_gradients_are_masked(small, pictures) -> None:
    rounded = lambda image: small(tf.round(image * 64) / 64)  # noqa: E731
    label = labels(rounded, pictures)
    goals = Goals.of(pictures, label, 8 / 255)
    assert not campaign(rounded, [Part(Apgd(20), "margin")]).run(goals).flat.min() == 0
    outcome = campaign(rounded, [Part(Square(300), "margin")]).run(goals)
    assert outcome.success.sum() >= 3


@pytest.mark.parametrize(
    ("attack", "norm"),
    [
        (CarliniWagner(6, 50), "l2"),
        (FastMinimumNorm(60), "l2"),
        (FastMinimumNorm(60), "linf"),
    ],
)
def test_the_worst_of_two_networks_bounds_what_fools_both(
    attack, norm: str, linear
) -> None:
    """Two planes in one direction: the farther one is where both are fooled."""
    far = lambda x: linear(x) - [0.0, 0.4]  # noqa: E731
    model = AttackedModel([linear, far], False)
    one = Campaign(model, NORMS[norm], [Part(attack, "margin")], ONE, grid=False)
    outcome = one.run(Goals.of(linear.clean, [0] * 5, 1e9))
    dual = float(NORMS[norm].dual(tf.constant(linear.slope[None]))[0])
    exact = (0.4 - linear.margin(linear.clean)) / dual
    size = one.sizes(outcome.image, linear.clean)
    assert outcome.success.all()
    assert (size >= exact * 0.999).all() and (size <= exact * 1.05).all()
