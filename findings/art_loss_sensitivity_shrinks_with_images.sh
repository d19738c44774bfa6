#!/bin/sh
# ART 1.20.1: the loss sensitivity of a Keras network falls with the number of images.
#
# `art.metrics.loss_sensitivity` is the mean norm of the loss' gradient at each image. ART
# asks for all gradients at once, and Keras' loss is the mean over the batch, so each comes
# divided by the number of images: the same network is ten times less "sensitive"
# on ten copies of a picture than on one. With `reduction="sum"` it is a property of the
# network. All of ART that uses `loss_gradient` without its sign is scaled like this.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    'tensorflow==2.21.0' \
    'keras==3.15.1' \
    'adversarial-robustness-toolbox==1.20.1'
cat > "$folder/check.py" <<'PYTHON'
import logging
import warnings

import keras
import numpy as np

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
from art.estimators.classification import TensorFlowV2Classifier
from art.metrics import loss_sensitivity

keras.utils.set_random_seed(0)
model = keras.Sequential(
    [
        keras.Input((8, 8, 3)),
        keras.layers.Conv2D(4, 3, activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(3),
    ]
)
picture = np.random.default_rng(0).random((1, 8, 8, 3), np.float32)
told = {}
for reduction in ("sum_over_batch_size", "sum"):
    network = TensorFlowV2Classifier(
        model=model,
        nb_classes=3,
        input_shape=(8, 8, 3),
        clip_values=(0, 1),
        loss_object=keras.losses.CategoricalCrossentropy(
            from_logits=True, reduction=reduction
        ),
    )
    for count in (1, 10, 100):
        images = np.repeat(picture, count, 0)
        target = keras.utils.to_categorical(np.ones(count), 3)
        told[reduction, count] = float(loss_sensitivity(network, images, target))
        print(f"{reduction:19} {count:3} copies: {told[reduction, count]:.6f}")
one = told["sum", 1]
assert np.allclose([told["sum", count] for count in (10, 100)], one, rtol=1e-3)
shrunk = [told["sum_over_batch_size", count] * count for count in (1, 10, 100)]
assert np.allclose(shrunk, one, rtol=1e-3), "it has changed"
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/check.py"
# Seen on 2026-11-29, CPU:
