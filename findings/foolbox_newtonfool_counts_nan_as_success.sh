#!/bin/sh
# foolbox 3.3.4: NewtonFool turns images into NaN, and counts them as fooled.
#
# It divides by the gradient's norm. Where the network is sure, or where its softmax has
# rounded to 1, the gradient is 0 and 0/0 makes every pixel NaN. The logits of such an
# image are NaN, their argmax is 0, and 0 is another class than the label of all images but
# those of the first class: the attack reports success, and the robust accuracy drops. Clean
# pictures, bounds and budget do not matter.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    'tensorflow==2.21.0' \
    'keras==3.15.1' \
    'foolbox==3.3.4'
cat > "$folder/check.py" <<'PYTHON'
import foolbox
import keras
import numpy as np
import tensorflow as tf

# A linear network: class c is the one whose pixel is brightest, and it is very sure.
SIDE, CLASSES = 4, 3
model = keras.Sequential(
    [
        keras.Input((SIDE, SIDE, 1)),
        keras.layers.Flatten(),
        keras.layers.Dense(CLASSES, use_bias=False),
    ]
)
kernel = np.zeros((SIDE * SIDE, CLASSES), np.float32)
kernel[:CLASSES] = 500 * np.eye(CLASSES)
model.layers[-1].set_weights([kernel])
label = np.arange(6) % CLASSES
image = np.full((6, SIDE * SIDE), 0.2, np.float32)
image[np.arange(6), label] = 0.8
image = image.reshape(6, SIDE, SIDE, 1)
assert (model.predict(image, verbose=0).argmax(1) == label).all()

attack = foolbox.attacks.NewtonFoolAttack(steps=10)
victim = foolbox.TensorFlowModel(model, bounds=(0, 1))
_, made, success = attack(
    victim, tf.constant(image), tf.constant(label, tf.int64), epsilons=None
)
empty = np.isnan(made.numpy()).all((1, 2, 3))
print("label      ", label.tolist())
print("all NaN    ", empty.tolist())
print("fooled     ", success.numpy().tolist())
assert empty.all() and (success.numpy() == (label != 0)).all(), "it has changed"
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/check.py"
# Seen on 2026-11-29, CPU:
#   label       [0, 1, 2, 0, 1, 2]
#   all NaN     [True, True, True, True, True, True]
#   fooled      [False, True, True, False, True, True]
