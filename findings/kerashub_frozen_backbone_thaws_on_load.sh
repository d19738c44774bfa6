#!/bin/sh
# KerasHub 0.32.0: a frozen backbone is loaded thawed, and says that it is frozen.
#
# `backbone.trainable = False` before a new head is what every guide of transfer learning
# has. Saved in a model and loaded again, the backbone still answers `trainable` with
# False, but its weights are all among the model's trainable weights, and `fit` changes
# them. A backbone of keras.applications stays frozen. The configuration holds `trainable`
# of the whole only; it is set before there is a layer that it could reach.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    'tensorflow==2.21.0' \
    'keras==3.15.1' \
    'keras-hub==0.32.0'
cat > "$folder/check.py" <<'PYTHON'
import keras
import keras_hub
import numpy as np

keras.utils.set_random_seed(0)
shape = (32, 32, 3)
backbones = {
    "keras_hub ViT": keras_hub.models.ViTBackbone(shape, 8, 1, 2, 16, 32),
    "keras MobileNet": keras.applications.MobileNet(
        weights=None, include_top=False, input_shape=shape
    ),
}
pixels, labels = np.random.rand(8, *shape), np.arange(8) % 2
moved = {}
for name, backbone in backbones.items():
    backbone.trainable = False
    image = keras.Input(shape)
    logits = keras.layers.Dense(2)(keras.layers.Flatten()(backbone(image)))
    model = keras.Model(image, logits)
    model.save("model.keras")
    loaded = keras.saving.load_model("model.keras")
    counts = [len(one.trainable_weights) for one in (model, loaded)]
    inner = loaded.layers[1]
    before = [weight.numpy() for weight in inner.weights]
    loaded.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    loaded.fit(pixels, labels, verbose=0)
    moved[name] = sum(
        not np.array_equal(old, new.numpy()) for old, new in zip(before, inner.weights)
    )
    print(name, "trainable weights", *counts, end="; ")
    print("loaded.trainable", inner.trainable, "moved by fit", moved[name])
assert moved["keras_hub ViT"] > 0 == moved["keras MobileNet"], "it has changed"
PYTHON
cd "$folder"
TF_CPP_MIN_LOG_LEVEL=3 CUDA_VISIBLE_DEVICES='' "$folder/venv/bin/python" check.py
# Seen on 2026-11-29, CPU:
#   keras_hub ViT trainable weights 2 24; loaded.trainable False moved by fit 22
#   keras MobileNet trainable weights 2 2; loaded.trainable False moved by fit 0
