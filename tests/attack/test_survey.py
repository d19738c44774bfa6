"""What many attacks show: of a network of which it is known."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpipeline.attack import experiment
from tfpipeline.attack.photos import Subject
from tfpipeline.attack.survey import Survey
from tfpipeline.config.adversary import AdversarySettings
from tfpipeline.config.attack import AttackSettings
from tfpipeline.models.class_names import ClassNames
from tfpipeline.models.load_network import Network

# In grey levels, how far each photograph is from the plane.
DISTANCES = (1.5, 3.5, 6.5, 9.5)

SLOPE = np.where(np.random.default_rng(0).uniform(size=(4, 4, 3)) < 0.5, -1.0, 1.0)


def planes() -> Network:
    """Three classes, the second one next to the first, the third far away."""
    inputs = keras.Input((4, 4, 3))
    dense = keras.layers.Dense(3)
    model = keras.Model(inputs, dense(keras.layers.Flatten()(inputs)))
    slope = SLOPE.ravel()
    kernel = np.stack([0 * slope, slope, slope], 1)
    offset = -0.5 * slope.sum()
    dense.set_weights([kernel, np.array([0.0, offset, offset - 9.0])])
    return Network("planes", model, ClassNames(("near", "next", "far")))


def surveyed(**given) -> dict:
    """Return the summary of an attack on photographs of the first class."""
    adversary = AdversarySettings(**{"attack": "apgd_dlr", "steps": 20} | given)
    settings = AttackSettings(
        epsilon="4/255",
        epsilons=["2/255", "4/255", "8/255"],
        adversary=adversary,
    )
    strategy = tf.distribute.get_strategy()
    strike = experiment.Strike([planes()], (), settings, strategy, len(DISTANCES))
    pictures = [np.round(127.5 - far * SLOPE).astype(np.uint8) for far in DISTANCES]
    shares = np.array([1.0, 0.0, 0.0])
    survey = Survey(strike)
    strike = strike.on([Subject(Path(), p, 0, "folder", shares) for p in pictures], 0)
    survey.add(strike, strike.run())
    result: dict = {"images": [{}], "summary": {}}
    survey.report(result, 0, Path())
    return result["summary"]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"confidence": 0.5},
        {"confidence": 20.0},
        {"attack": "fmn", "steps": 60, "confidence": 0.5, "eight_bit": False},
    ],
)
def test_accuracy_falls_where_the_plane_is_reached_whatever_the_confidence(
    given: dict,
) -> None:
    curve = surveyed(**given)["curve"]
    assert [round(255 * point["epsilon"]) for point in curve] == [0, 2, 4, 8]
    assert [point["accuracy"] for point in curve] == [1, 0.75, 0.5, 0.25]
