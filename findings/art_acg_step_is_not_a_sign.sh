#!/bin/sh
# ART 1.20.1: AutoConjugateGradient in L-infinity, its default, hardly moves.
#
# As APGD, which it should improve on, it is to step by the sign of its direction. Its
# code computes that sign into a variable that is not read again, and steps by the direction
# itself, the size of the loss' gradient: far too small for images in [0, 1]. Multiplying the
# loss by a constant, which changes no decision and no sign, changes the result. Whoever
# reports the accuracy under this attack takes the network to be robust.
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
from art.attacks.evasion import AutoConjugateGradient, AutoProjectedGradientDescent
from art.estimators.classification import TensorFlowV2Classifier

SHAPE, CLASSES = (16, 16, 3), 5
keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
kinds = rng.uniform(0.3, 0.7, (CLASSES, *SHAPE))
label = np.arange(200) % CLASSES
image = np.clip(kinds[label] + rng.normal(0, 0.15, (200, *SHAPE)), 0, 1)
image = image.astype(np.float32)
model = keras.Sequential(
    [
        keras.Input(SHAPE),
        keras.layers.Conv2D(8, 3, activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(CLASSES),
    ]
)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile("adam", loss)
model.fit(image, label, epochs=15, verbose=0)
image, target = image[:20], keras.utils.to_categorical(label[:20], CLASSES)


class Scaled(keras.losses.CategoricalCrossentropy):
    def __init__(self, scale):
        super().__init__(from_logits=True)
        self.scale = scale

    def call(self, true, logits):
        return self.scale * super().call(true, logits)


def accuracy(kind, scale):
    victim = TensorFlowV2Classifier(
        model=model,
        nb_classes=CLASSES,
        input_shape=SHAPE,
        clip_values=(0, 1),
        loss_object=Scaled(scale),
    )
    keras.utils.set_random_seed(0)
    attack = kind(victim, eps=0.1, eps_step=0.2, max_iter=30, verbose=False)
    made = attack.generate(image.copy(), y=target)
    assert np.abs(made - image).max() < 0.1001
    return float((np.asarray(model(made)).argmax(1) == label[:20]).mean())


left = {}
for kind in (AutoProjectedGradientDescent, AutoConjugateGradient):
    for scale in (1, 1e5):
        left[kind, scale] = accuracy(kind, scale)
        print(f"{kind.__name__}, loss times {scale:g}: accuracy", left[kind, scale])
assert left[AutoProjectedGradientDescent, 1] == 0
assert left[AutoConjugateGradient, 1] > 0.8, "it has changed"
assert left[AutoConjugateGradient, 1e5] < 0.2, "it has changed"
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/check.py"
# Seen on 2026-11-29, CPU:
#   AutoProjectedGradientDescent, loss times 1: accuracy 0.0
#   AutoProjectedGradientDescent, loss times 100000: accuracy 0.0
#   AutoConjugateGradient, loss times 1: accuracy 1.0
#   AutoConjugateGradient, loss times 100000: accuracy 0.0
