"""Ways to make an ideal image that are known by name."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from tfpipeline.core.errors import UserError, check_each, unknown
from tfpipeline.synthesize import objectives, parameterizations
from tfpipeline.synthesize.climb import OPTIMIZERS, Climb
from tfpipeline.synthesize.objectives import Objective
from tfpipeline.synthesize.parameterizations import Parameterization
from tfpipeline.synthesize.transforms import Rotate, Sometimes, Transform, View

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

    Args:
        objective: A name of `CLASS_OBJECTIVES`.
        parameterization: A name of `PARAMETERIZATIONS`.
        options: Of the parameterization.
        transforms: Of each step.
        steps: How many.
        learning_rate: Of the first step.
        last_rate: Share of it at the last step, to which it falls along a cosine.
        optimizer: A name of `OPTIMIZERS`.
        views: Copies of each image that make one step.
        weight: Of the objective.
        total_variation: Weight by which it is kept low.
        l2: Weight by which the distance from grey is kept low.
        fading: See `ascent.Climb`.
        branch_gradient: What share of its gradient the branch of a residual network
            passes back: what excites by the skip connections excites others as well.
            See `models.residual`.
        relu_gradient: What share of its gradient passes each ReLU beside its own, also
            where it is flat: others are open elsewhere. See `models.activations.leaky`.
        raw: Whether the network is asked without its preprocessing.
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
    fading: float = 0.0
    branch_gradient: float = 1.0
    relu_gradient: float = 0.0
    raw: bool = False
    defects: tuple[str, ...] = ()

    def build_objective(self, indices: Sequence[int]) -> Objective:
        """Return the objective of some classes, one an image.

        Args:
            indices: Of the classes.
        """
        made = self.weight * CLASS_OBJECTIVES[self.objective](indices)
        if self.total_variation:
            made -= self.total_variation * objectives.total_variation()
        if self.l2:
            made -= self.l2 * objectives.l2()
        return made

    def parameterized(
        self, size: tuple[int, int], *, whole: bool = False
    ) -> Parameterization:
        """Return the parameterization of images of a size.

        Args:
            size: Height and width.
            whole: Whether no wave is to be left out.
        """
        options = dict(self.options)
        if whole:
            options.pop("waves", None)
        return parameterizations.PARAMETERIZATIONS[self.parameterization](
            size, **options
        )

    def shown(self, size: tuple[int, int]) -> tuple[Transform, ...]:
        """Return the transforms, the last of which shows what a network takes.

        Args:
            size: Height and width of the network's input.
        """
        return tuple(
            dataclasses.replace(one, shown=size) if isinstance(one, View) else one
            for one in self.transforms
        )

    def climb(self, seed: int, every: int = 0) -> Climb:
        """Return how its ascents go.

        Args:
            seed: Of the transforms.
            every: Steps between two snapshots; 0 takes none.
        """
        rate: Any = self.learning_rate
        if self.last_rate < 1 and self.steps:
            rate = keras.optimizers.schedules.CosineDecay(
                rate, self.steps, alpha=self.last_rate
            )
        return Climb(
            self.steps, rate, self.optimizer, self.views, seed, self.fading, every
        )


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


def check(preset: Preset) -> None:
    """Refuse numbers and names that mean nothing.

    Args:
        preset: With what the user has changed.

    Raises:
        UserError: One is wrong.
    """
    for name, table in (
        ("objective", CLASS_OBJECTIVES),
        ("parameterization", parameterizations.PARAMETERIZATIONS),
        ("optimizer", OPTIMIZERS),
    ):
        if getattr(preset, name) not in table:
            raise unknown(f"--synthesis.{name}", getattr(preset, name), table)
    check_each(
        "synthesis",
        preset,
        {
            "steps": ("at least 0", preset.steps >= 0),
            "learning_rate": (
                "a positive number below 1e6",
                0 < preset.learning_rate < 1e6,
            ),
            "views": ("at least 1", preset.views >= 1),
            "total_variation": ("at least 0", preset.total_variation >= 0),
            "l2": ("at least 0", preset.l2 >= 0),
            "fading": ("at least 0", preset.fading >= 0),
            "branch_gradient": (
                "above 0, at most 1",
                0 < preset.branch_gradient <= 1,
            ),
            "relu_gradient": ("from 0 to 0.5", 0 <= preset.relu_gradient <= 0.5),
        },
    )
    if preset.raw and preset.views > 1:
        raise UserError(
            "--preset lesson: it has no transforms, so more --synthesis.views than one "
            "are the same."
        )
    if preset.raw and (preset.branch_gradient, preset.relu_gradient) != (1, 0):
        raise UserError(
            "--synthesis.branch_gradient and relu_gradient with --preset lesson: it "
            "asks for the gradient as it is. Leave one of them out."
        )
