"""Ways to make an ideal image that are known by name, and what a user changes."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf

from tfpipeline.config.synthesis import SynthesisSettings, SynthesizeSettings
from tfpipeline.core.errors import UserError, check_each, unknown
from tfpipeline.models import layer_outputs
from tfpipeline.models.layer_outputs import Backward, Inside
from tfpipeline.models.load_network import Network
from tfpipeline.synthesize import objectives
from tfpipeline.synthesize.ascent import OPTIMIZERS, Ascent, Climb
from tfpipeline.synthesize.objectives import Objective
from tfpipeline.synthesize.parameterizations import PARAMETERIZATIONS
from tfpipeline.synthesize.transforms import Rotate, Sometimes, Transform, View

# Pictures of an animation.
FRAMES = 32

LESSON_DEFECTS = (
    "The network gets raw noise: its own preprocessing is left out.",
    "The pixels have no bounds. What is scored is no picture; what is shown is "
    "stretched to [0, 1] by its least and its largest value, and scores differently.",
    "Cross-entropy of a softmax output: below a probability of 1e-7 there is no "
    "gradient at all.",
    "Every pixel is tuned on its own, in one position: what excites this network means "
    "nothing to another one, or to people.",
    "It stops after a number of steps, whatever it has reached.",
    "It is judged by the network that it was made for, and by no other.",
    "Its noise had no seed, and nobody asked about the saved picture, of 8 bits. Here "
    "it has one, and what is told is of that picture.",
)


@dataclass(frozen=True)
class Preset:
    """All that an ascent to a class needs, but for the class and the network.

    The rest of its fields is what `config.synthesis.SynthesisSettings` says of them.

    Args:
        options: Of the parameterization.
        transforms: Of each step.
        last_rate: Share of the rate at the last step, to which it falls by a cosine.
        weight: Of the objective.
        branch_gradient: What excites by the skip connections of a residual network
            excites others as well.
        relu_gradient: Where a ReLU is flat, those of others are open elsewhere.
        raw: Whether the network goes without its preprocessing.
        defects: What is wrong with it, in words.
    """

    objective: str = "logit"
    parameterization: str = "fourier"
    options: dict[str, Any] = field(default_factory=dict)
    transforms: tuple[Transform, ...] = ()
    steps: int = 512
    learning_rate: float = 0.05
    last_rate: float = 0.0
    optimizer: str = "adam"
    views: int = 1
    weight: float = 1.0
    total_variation: float = 0.0
    l2: float = 0.0
    feature_distance: float = 0.0
    fading: float = 0.0
    branch_gradient: float = 1.0
    relu_gradient: float = 0.0
    raw: bool = False
    defects: tuple[str, ...] = ()

    def build_objective(
        self, indices: Sequence[int], feature_layer: str = ""
    ) -> Objective:
        """Return the objective of classes, one an image; with the layer to compare."""
        objective = self.weight * CLASS_OBJECTIVES[self.objective](indices)
        if self.total_variation:
            objective -= self.total_variation * objectives.total_variation()
        if self.l2:
            objective -= self.l2 * objectives.l2()
        if self.feature_distance:
            distance = objectives.feature_distance(feature_layer)
            objective -= self.feature_distance * distance
        return objective

    def ascent(
        self,
        network: Network,
        objective: Objective,
        strategy: tf.distribute.Strategy,
        seed: int,
        *,
        photograph: tf.Tensor | None = None,
        frames: bool = False,
    ) -> Ascent:
        """Return the ascent of a network's images to an objective.

        Args:
            network: That the images excite.
            objective: What is to rise.
            strategy: Where the steps run.
            seed: Of the transforms.
            photograph: That the images start from, in [0, 1], shape (1, height, width,
                3); it keeps its short waves.
            frames: Whether to take snapshots.
        """
        size = network.size
        backward = Backward(self.branch_gradient, self.relu_gradient)
        climbed: Any = Inside(network.model, sorted(objective.needs), backward=backward)
        if self.raw:
            climbed = layer_outputs.without_preprocessing(network.model)
        options = dict(self.options)
        if photograph is not None:
            options.pop("waves", None)
        rate: Any = self.learning_rate
        if self.last_rate < 1 and self.steps:
            rate = keras.optimizers.schedules.CosineDecay(
                rate, self.steps, alpha=self.last_rate
            )
        every = max(1, self.steps // FRAMES) if frames else 0
        how = (self.optimizer, self.views, seed, self.fading, every)
        climb = Climb(self.steps, rate, *how)
        # The window shows what the network takes, whatever the size of a sketch.
        transforms = [
            dataclasses.replace(one, shown=size) if isinstance(one, View) else one
            for one in self.transforms
        ]
        waves = PARAMETERIZATIONS[self.parameterization](size, **options)
        how_shown = (transforms, climb, strategy, photograph)
        return Ascent(climbed, objective, waves, *how_shown)


CLASS_OBJECTIVES: dict[str, Callable[[Sequence[int]], Objective]] = {
    "logit": objectives.class_logit,
    "log_odds": objectives.log_odds,
    # The logit asks for all that speaks for a class, the odds for what tells it apart.
    "logit_and_odds": lambda indices: (
        objectives.class_logit(indices) + objectives.log_odds(indices)
    ),
    "cross_entropy": lambda indices: -objectives.cross_entropy(indices),
    "softmax_cross_entropy": lambda indices: (
        -objectives.cross_entropy(indices, of_probabilities=True)
    ),
}

PRESETS: dict[str, Preset] = {
    "best": Preset(
        options={"waves": 0.715},
        transforms=(Sometimes(Rotate(20), 0.33), View(0.45, 1.2, 0.3)),
        objective="logit_and_odds",
        learning_rate=0.25,
        last_rate=0.05,
        fading=0.07,
        branch_gradient=0.5,
        relu_gradient=0.05,
    ),
    # L = 10 CE + 0.005 TV, x <- x - 1 * dL/dx from N(0, 1).
    "lesson": Preset(
        objective="softmax_cross_entropy",
        parameterization="pixels",
        options={"contrast": 1.0, "bounded": False},
        steps=1000,
        learning_rate=1.0,
        last_rate=1.0,
        optimizer="sgd",
        weight=10.0,
        total_variation=0.005,
        raw=True,
        defects=LESSON_DEFECTS,
    ),
}

# Learning rates of Adam for another parameterization than a preset's own: a pixel moves
# by the rate itself, a phase by as many radians.
RATES = {"pixels": 0.02, "fourier": 0.25, "phases": 0.1}

# Of these rates, where a photograph is to be changed, and not painted over; nor may it
# fade.
FROM_PHOTOGRAPH = 0.1


def choose_preset(name: str, settings: SynthesisSettings) -> Preset:
    """Return a preset with what the user has changed, or refuse that."""
    if name not in PRESETS:
        raise unknown("--preset", name, PRESETS)
    preset = PRESETS[name]
    changes = {
        entry.name: value
        for entry in dataclasses.fields(preset)
        if (value := getattr(settings, entry.name, None)) is not None
    }
    # Options and rate are of one parameterization: another one has its own.
    other = changes.get("parameterization", preset.parameterization)
    if other != preset.parameterization:
        rate = RATES.get(other, preset.learning_rate)
        preset = dataclasses.replace(preset, options={}, learning_rate=rate)
    for term in ("class_features", "class_statistics"):
        wish = getattr(settings, term)
        if wish is not None and not 0 <= wish < math.inf:
            raise UserError(
                f"--synthesis.{term}: expected at least 0. Received: {wish}."
            )
    if settings.start is not None and not preset.raw:
        rate = preset.learning_rate * FROM_PHOTOGRAPH
        preset = dataclasses.replace(preset, learning_rate=rate, fading=0.0)
    preset = dataclasses.replace(preset, **changes)
    _check_numbers(preset, settings)
    _check_combinations(name, preset, settings)
    return preset


def choose_presets(
    settings: SynthesizeSettings,
) -> dict[str, tuple[Preset, SynthesisSettings]]:
    """Return presets and their settings, the user's own, with its changes, first."""
    own = settings.synthesis
    chosen = {settings.preset: (choose_preset(settings.preset, own), own)}
    if settings.compare:
        other = "lesson" if settings.preset == "best" else "best"
        plain = SynthesisSettings(batch_size=own.batch_size)
        chosen[other] = (choose_preset(other, plain), plain)
    return chosen


def _check_numbers(preset: Preset, settings: SynthesisSettings) -> None:
    for name, table in (
        ("objective", CLASS_OBJECTIVES),
        ("parameterization", PARAMETERIZATIONS),
        ("optimizer", OPTIMIZERS),
    ):
        if getattr(preset, name) not in table:
            raise unknown(f"--synthesis.{name}", getattr(preset, name), table)
    rate, branch = preset.learning_rate, preset.branch_gradient
    ranges = {
        "steps": ("at least 0", preset.steps >= 0),
        "learning_rate": ("a positive number below 1e6", 0 < rate < 1e6),
        "views": ("at least 1", preset.views >= 1),
        "total_variation": ("at least 0", preset.total_variation >= 0),
        "l2": ("at least 0", preset.l2 >= 0),
        "feature_distance": ("at least 0", preset.feature_distance >= 0),
        "fading": ("at least 0", preset.fading >= 0),
        "branch_gradient": ("above 0, at most 1", 0 < branch <= 1),
        "relu_gradient": ("from 0 to 0.5", 0 <= preset.relu_gradient <= 0.5),
    }
    check_each("synthesis", preset, ranges)
    ranges = {
        "copies": ("at least 1", settings.copies >= 1),
        "diversity": ("at least 0", settings.diversity >= 0),
        "batch_size": ("at least 1", settings.batch_size >= 1),
    }
    check_each("synthesis", settings, ranges)


def _check_combinations(name: str, preset: Preset, settings: SynthesisSettings) -> None:
    """Refuse settings that mean nothing together."""
    changed = (preset.branch_gradient, preset.relu_gradient) != (1, 0)
    own = settings.objective or settings.parameterization
    for wrong, message in (
        (
            preset.raw and preset.views > 1,
            "--preset lesson: it has no transforms, so more --synthesis.views than one "
            "are the same.",
        ),
        (
            preset.raw and changed,
            "--synthesis.branch_gradient and relu_gradient with --preset lesson: it "
            "asks for the gradient as it is. Leave one of them out.",
        ),
        (
            preset.raw and own,
            f"--preset {name}: expected with its own objective and parameterization: "
            "without them it is another method. Leave the preset out.",
        ),
        (
            settings.start is not None and settings.copies > 1,
            "--synthesis.start with --synthesis.copies: all copies would start from "
            "the same photograph, and become the same. Leave one of them out.",
        ),
        (
            settings.start is None
            and (preset.feature_distance or settings.feature_layer),
            "--synthesis.feature_distance and feature_layer: expected with "
            "--synthesis.start, the photograph that they compare with. Name one, or "
            "leave them out.",
        ),
        (
            settings.feature_layer and not preset.feature_distance,
            "--synthesis.feature_layer: expected with --synthesis.feature_distance, "
            "the weight of the distance in it. Name both, or leave it out.",
        ),
        (
            preset.raw and (settings.class_features or settings.class_statistics),
            "--synthesis.class_features and class_statistics with --preset lesson: its "
            "network shows no layers. Leave one of them out.",
        ),
        (
            preset.raw and preset.feature_distance,
            "--synthesis.feature_distance with --preset lesson: its network shows no "
            "layers. Leave one of them out.",
        ),
        (
            settings.diversity and settings.copies < 2,
            "--synthesis.diversity: expected with --synthesis.copies 2 or more, which "
            "it tells apart. Name both, or leave it out.",
        ),
        (
            preset.raw and settings.diversity,
            "--synthesis.diversity with --preset lesson: its network shows no layers. "
            "Leave one of them out.",
        ),
    ):
        if wrong:
            raise UserError(message)
