"""Where photographs of a class lie in the features of a run.

The logit of a class tells it from the other classes of a run alone. Where these are all
of one kind, like breeds of dogs, it says nothing of what all dogs have, and from few
photographs it is mostly chance. The mean features of its photographs do have that.

Source: a direction of features, Carter et al., "Activation Atlas", distill.pub, 2019.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from tfpipeline.config.synthesis import SynthesisSettings
from tfpipeline.core.errors import UserError
from tfpipeline.core.run_dir import RunFolder
from tfpipeline.models import classifier, reference
from tfpipeline.models.load_network import Network
from tfpipeline.synthesize.presets import Preset

# Where it is not said: of networks without skip connections, whose images showed what
# photographs do not have. In the spread of a logit; see `directions`.
WEIGHT = 10.0


def is_plain(model: keras.Model) -> bool:
    """Return whether a network has no skip connections: adds and joins nothing.

    One with layers of whose inside nothing is known is not taken for such a network.
    """
    functional: Any = getattr(model, "_functional", None) or model
    # A model with a call of its own, in Python, has no graph.
    operations = getattr(functional, "operations", None)
    if operations is None:
        return False
    for operation in operations:
        if isinstance(operation, keras.Model):
            if not is_plain(operation):
                return False
        elif isinstance(operation, keras.Layer) and not _is_of_keras(operation):
            return False
        elif any(_joins(node) for node in operation._inbound_nodes):
            return False
    return True


def _is_of_keras(layer: keras.Layer) -> bool:
    kind = type(layer)
    others = keras.layers.Lambda, keras.layers.Wrapper, keras.layers.TFSMLayer
    is_own = getattr(keras.layers, kind.__name__, None) is kind
    return is_own and not isinstance(layer, others)


def _joins(node: Any) -> bool:
    """Return whether one output is made of several tensors, by a layer or by `+`."""
    return len(set(map(id, node.input_tensors))) > 1


def of(
    preset: Preset, settings: SynthesisSettings, run: str | None, network: Network
) -> np.ndarray | None:
    """Return the direction of each class times its weight; None where it is nought."""
    wish = weight(preset, settings, run, network)
    return wish * directions(str(run), network) if wish else None


def weight(
    preset: Preset, settings: SynthesisSettings, run: str | None, network: Network
) -> float:
    """Return the weight of directions: as wished, or as suits the network."""
    wish = settings.class_features
    if wish and not _is_kept(run):
        raise UserError(
            "--synthesis.class_features: expected with --run, a run that has kept the "
            f"features of its photographs. Received: {run or network.name}, which has "
            "none. Leave it out."
        )
    if wish is None:
        wish = WEIGHT if suits(preset, settings, run, network) else 0.0
    return wish


def suits(
    preset: Preset, settings: SynthesisSettings, run: str | None, network: Network
) -> bool:
    """Return whether images are to be like photographs of a run without being asked."""
    # The other preset has its defects, and a photograph shows what it shows.
    apt = _is_kept(run) and not preset.raw and settings.start is None
    return apt and is_plain(network.model)


def _is_kept(run: str | None) -> bool:
    """Tell whether there is a run that has kept features of its photographs."""
    return run is not None and RunFolder(Path(run)).reference.is_dir()


def directions(run: str, network: Network) -> np.ndarray:
    """Return a direction of features for each class: the mean of its photographs'.

    Along it, features of photographs of all classes spread as the logit of the class
    does, so that both can be added. It is nought for a class without photographs.

    Returns:
        float32, shape (classes, width).
    """
    kept = reference.read(RunFolder(Path(run)))
    if kept is None or not len(kept.features):
        raise UserError(
            f"--run {run}: expected features of its photographs, found none. Train it "
            "again, or say --synthesis.class_features 0."
        )
    _, head = classifier.split_classifier(network.model)
    features = np.asarray(kept.features, np.float32)
    logits = np.asarray(head(features, training=False))
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    unit = features / np.maximum(lengths, 1e-12)
    learned = np.zeros(len(features), bool)
    learned[kept.rows("train")] = True
    label = np.asarray(kept.label)
    found = np.zeros((len(network.labels), features.shape[1]), np.float32)
    for index, name in enumerate(network.labels):
        if (own := learned & (label == name)).any():
            mean = unit[own].mean(0)
            along = float((features @ mean).std())
            found[index] = mean * (logits[:, index].std() / max(along, 1e-12))
    return found
