#!/bin/sh
# tf-keras-vis 0.8.7: guided backpropagation is the plain gradient for ReLU layers.
#
# `GuidedBackpropagation` replaces what layers have as their `activation`. A ReLU that is a
# layer of its own, as in all three MobileNets of `keras.applications`, has none: it is
# passed over without a word, and the saliency map that is called guided is the plain
# one. The same network with the activation inside its convolutions has another map.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    'tensorflow==2.21.0' \
    'keras==3.15.1' \
    'tf-keras-vis==0.8.7'
cat > "$folder/check.py" <<'PYTHON'
import keras
import numpy as np
from tf_keras_vis.saliency import Saliency
from tf_keras_vis.utils.model_modifiers import GuidedBackpropagation
from tf_keras_vis.utils.scores import CategoricalScore

WEIGHTS = None
picture = np.random.default_rng(0).random((1, 16, 16, 3), np.float32)
difference = {}
for kind in ("as a layer", "inside the convolution"):
    keras.utils.set_random_seed(0)
    x = image = keras.Input((16, 16, 3))
    for _ in range(3):
        inside = "relu" if kind == "inside the convolution" else None
        x = keras.layers.Conv2D(8, 3, activation=inside)(x)
        x = x if inside else keras.layers.ReLU()(x)
    pooled = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(4)(pooled))
    WEIGHTS = WEIGHTS or model.get_weights()
    model.set_weights(WEIGHTS)

    def map_of(modifier):
        saliency = Saliency(model, model_modifier=modifier, clone=True)
        score = CategoricalScore([1])
        return np.asarray(saliency(score, picture, normalize_map=False))

    plain, guided = map_of(None), map_of(GuidedBackpropagation())
    difference[kind] = np.abs(plain - guided).max() / plain.max()
    print(f"ReLU {kind}: guided differs from plain by {difference[kind]:.3f}")
assert difference["inside the convolution"] > 0.1
assert difference["as a layer"] == 0, "it has changed"
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/check.py"
# Seen on 2026-11-29, CPU:
#   ReLU as a layer: guided differs from plain by 0.000
#   ReLU inside the convolution: guided differs from plain by 1.203
