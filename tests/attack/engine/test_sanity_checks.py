"""The checks fire where they should, and only there."""

import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.attack.engine import registry, sanity_checks
from tfpipeline.attack.engine.gradient import Apgd, Iterative
from tfpipeline.attack.engine.loop import Goals
from tfpipeline.attack.engine.model import AttackedModel, inspect
from tfpipeline.attack.engine.norms import NORMS
from tfpipeline.attack.engine.registry import Part
from tfpipeline.attack.engine.sanity_checks import Tally
from tfpipeline.attack.engine.sequence import Campaign
from tfpipeline.attack.engine.square import Square
from tfpipeline.config.adversary import AdversarySettings


def told(network, pictures, part: Part, epsilon: float) -> dict[str, bool | None]:
    """Return which checks of an attack on a network passed."""
    values = pictures.astype(np.float32) / np.float32(255)
    label = np.asarray(network(tf.constant(values))).argmax(-1)
    model = AttackedModel([network], False)
    one = Campaign(model, NORMS["linf"], [part], tf.distribute.get_strategy())
    goals = Goals.of(pictures, label, epsilon)
    outcome = one.run(goals)
    tally = Tally()
    tally.add(one, outcome, goals)
    checks = tally.checks(inspect(model, values, label))
    checks |= sanity_checks.stronger(one, outcome, goals)
    return {name: check.passed for name, check in checks.items()}


STRONG = Part(Iterative(40), "margin")


def test_nothing_fires_for_a_strong_attack_on_an_open_network(small, pictures) -> None:
    outcome = told(small, pictures, STRONG, 6 / 255)
    assert False not in outcome.values(), outcome


@pytest.mark.parametrize(
    ("epsilon", "unasked"),
    [
        (128 / 255, {"more_steps_change_nothing", "gradient_free_not_better"}),
        (0.0, {"monotone"}),
    ],
    ids=["all fooled", "none fooled"],
)
def test_what_was_asked_about_no_image_has_not_passed(
    epsilon: float, unasked: set[str], small, pictures
) -> None:
    outcome = told(small, pictures, STRONG, epsilon)
    assert {name for name, passed in outcome.items() if passed is None} == unasked


def test_a_network_that_rounds_its_input_is_found_out(small, pictures) -> None:
    outcome = told(lambda x: small(tf.round(48 * x) / 48), pictures, STRONG, 10 / 255)
    assert not outcome["gradients_not_zero"]
    assert not outcome["gradient_free_not_better"]
    assert not outcome["unbounded_succeeds"]


def test_a_network_with_huge_logits_is_found_out(small, pictures) -> None:
    part = Part(Iterative(40), "cross_entropy")
    outcome = told(lambda x: 1e4 * small(x), pictures, part, 3 / 255)
    assert not outcome["logits_not_saturated"]
    assert not outcome["gradients_not_zero"]


def test_squares_that_are_part_of_the_attack_are_found_out(small, pictures) -> None:
    """What only they have fooled is no success of gradients."""
    rounded = lambda x: small(tf.round(48 * x) / 48)  # noqa: E731
    values = pictures.astype(np.float32) / np.float32(255)
    label = np.asarray(rounded(tf.constant(values))).argmax(-1)
    parts = [STRONG, Part(Square(400), "margin")]
    model = AttackedModel([rounded], False)
    one = Campaign(model, NORMS["linf"], parts, tf.distribute.get_strategy())
    goals = Goals.of(pictures, label, 10 / 255)
    outcome = one.run(goals)
    assert outcome.free.any()
    assert not sanity_checks.stronger(one, outcome, goals)[
        "gradient_free_not_better"
    ].passed


@pytest.mark.parametrize("rounding", [None, 48])
def test_what_squares_alone_have_fooled_is_asked_of_gradients(
    rounding: int | None, small, pictures
) -> None:
    """An open network does not mask its gradients, whoever has attacked it."""

    def network(image: tf.Tensor) -> tf.Tensor:
        return small(tf.round(rounding * image) / rounding if rounding else image)

    values = pictures.astype(np.float32) / np.float32(255)
    label = np.asarray(network(tf.constant(values))).argmax(-1)
    squares, model = [Part(Square(400), "margin")], AttackedModel([network], False)
    one = Campaign(model, NORMS["linf"], squares, tf.distribute.get_strategy())
    goals = Goals.of(pictures, label, 10 / 255)
    outcome = one.run(goals)
    assert outcome.success.any() and not outcome.free.any()
    check = sanity_checks.stronger(one, outcome, goals)["gradient_free_not_better"]
    assert check.passed is (rounding is None)
    assert check.value["asked"] == outcome.success.sum()
    assert check.value["attack"].startswith("iterative up margin, 40 steps")


@pytest.mark.parametrize(
    ("name", "steps", "told"),
    [
        ("square", 20, "square, 200 steps"),
        ("fgsm", None, "iterative up cross_entropy, 1 step"),
        ("pgd", 3, "iterative up cross_entropy, 3 steps"),
        ("standard", None, "apgd up cross_entropy, 100 steps"),
        ("standard", 5, "apgd up cross_entropy, 5 steps"),
        ("fmn", None, "iterative up margin, 40 steps"),
    ],
)
def test_a_radius_is_halved_by_the_attack_that_was_named(
    name: str, steps: int | None, told: str, small
) -> None:
    settings = AdversarySettings(name, steps=steps)
    parts = registry.choose(settings, "linf", targeted=False)
    strategy = tf.distribute.get_strategy()
    one = Campaign(AttackedModel([small], False), NORMS["linf"], parts, strategy)
    assert registry.spelled(sanity_checks.bisecting(one).parts) == told


@pytest.mark.parametrize(
    ("right", "asked", "classes", "passed"),
    [
        *[(42, 50, 1000, True), (1, 50, 1000, False), (5, 10, 2, False)],
        *[(7, 10, 2, True), (4, 4, 2, None), (0, 0, 2, None)],
    ],
)
def test_a_network_that_guesses_is_found_out(
    right: int, asked: int, classes: int, passed: bool | None
) -> None:
    check = sanity_checks.plausible(right, asked, classes)
    assert check.passed is passed
    assert "preprocessing" in check.otherwise


def test_too_few_steps_are_found_out(small, pictures) -> None:
    lame = Part(Iterative(2, 0.15), "margin")
    outcome = told(small, pictures, lame, 4 / 255)
    assert not (
        outcome["more_steps_change_nothing"] and outcome["iterated_beats_single_step"]
    )


def test_a_random_network_is_found_out(small, pictures) -> None:
    noisy = lambda x: small(x + 0.01 * tf.random.normal(tf.shape(x)))  # noqa: E731
    assert not told(noisy, pictures, STRONG, 2 / 255)["deterministic"]


def test_a_network_that_noise_fools_is_found_out(pictures) -> None:
    def shaky(image: tf.Tensor) -> tf.Tensor:
        """Tell two classes apart by digits far behind the point."""
        score = 1e3 * (tf.reduce_sum(image * image, [1, 2, 3]) % 0.2 - 0.1)
        return tf.stack([tf.zeros_like(score), score], 1)

    assert not told(shaky, pictures, STRONG, 4 / 255)["random_noise_fails"]


def test_success_that_falls_with_the_radius_is_found_out(small, pictures) -> None:
    """Of one image as well: where the network takes large changes for none."""
    values = pictures.astype(np.float32) / np.float32(255)
    label = np.asarray(small(tf.constant(values))).argmax(-1)
    at, right = tf.constant(values[:1]), tf.one_hot(label[:1], 5) * 100

    def wary(image: tf.Tensor) -> tf.Tensor:
        """Answer rightly where a picture is changed by more than 5 grey levels."""
        far = tf.reduce_max(tf.abs(image - at), [1, 2, 3]) > 5.5 / 255
        return tf.where(far[:, None], right, small(image))

    part = Part(Iterative(40, step_size=1.0), "margin")
    assert told(small, pictures[:1], part, 5 / 255)["monotone"]
    assert not told(wary, pictures[:1], part, 5 / 255)["monotone"]


def test_a_check_asks_all_that_was_asked_for_and_says_so(small, pictures) -> None:
    parts = [STRONG, Part(Apgd(12), "dlr"), Part(Square(20), "margin")]
    label = np.asarray(small(tf.constant(pictures / np.float32(255)))).argmax(-1)
    model = AttackedModel([small], False)
    one = Campaign(model, NORMS["linf"], parts, tf.distribute.get_strategy())
    goals = Goals.of(pictures, label, 1 / 255)
    outcome = one.run(goals)
    values = {
        k: c.value for k, c in sanity_checks.stronger(one, outcome, goals).items()
    }
    both = "iterative up margin, 40 steps; apgd up dlr, 12 steps"
    assert values["unbounded_succeeds"]["attack"] == both
    assert values["more_steps_change_nothing"]["attack"] == (
        "iterative up margin, 80 steps; apgd up dlr, 24 steps"
    )
    assert values["monotone"]["attack"] == f"{both}; square, 20 steps"
    held = int((~outcome.success).sum())
    assert held and values["more_steps_change_nothing"]["withstood"] == held


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0, 3 / 255])
def test_levels_are_those_of_a_file(value: float) -> None:
    picture = sanity_checks.levels(np.full((1, 2, 2, 3), value, np.float32))
    assert (picture == np.floor(value * 255 + 0.5)).all()
