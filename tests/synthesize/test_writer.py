"""What is written beneath an ideal image."""

import dataclasses

import tensorflow as tf

from tfpipeline.config import ModelSettings
from tfpipeline.config.synthesis import SynthesisSettings
from tfpipeline.models import load_network
from tfpipeline.synthesize import generate, presets, writer


def test_a_picture_whose_score_did_not_rise_says_so_itself(demo_run) -> None:
    network = load_network.open_network(str(demo_run.path), ModelSettings())
    settings = SynthesisSettings(steps=0)
    preset = presets.choose_preset("best", settings)
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    job = generate.Job(network, [0], preset, settings, 0, strategy)
    (ideal,) = generate.make(job)
    words = f"{network.labels[0]} {ideal.probability:.3f}"
    assert writer._caption(ideal) == f"DID NOT RISE {words}"
    assert (
        writer._caption(dataclasses.replace(ideal, end_score=ideal.start_score + 1))
        == words
    )
