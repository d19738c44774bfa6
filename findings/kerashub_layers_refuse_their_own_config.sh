#!/bin/sh
# KerasHub 0.32.0: features cut of a ViT are saved, and can never be loaded.
#
# `keras.Model(backbone.inputs, features)` is how Keras cuts a network. The model works and
# `save` writes it without a word; `load_model` fails, because ViT's patch layer writes
# numbers into its configuration that its own constructor refuses. The backbone as a whole
# is loaded: it holds its own arguments only. So does the same cut of a ResNet, whose
# layers are of Keras.
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

shape = (32, 32, 3)
vit = keras_hub.models.ViTBackbone(shape, 8, 1, 2, 16, 32)
resnet = keras_hub.models.ResNetBackbone(
    [64], [3], [64], [1], [1], "basic_block", image_shape=shape
)
cuts = {
    "ViT, whole": vit,
    "ViT, cut": keras.Model(vit.inputs, vit.get_layer("vit_encoder").output),
    "ResNet, cut": keras.Model(resnet.inputs, resnet.layers[-2].output),
}
loads = {}
for name, model in cuts.items():
    model.save("model.keras")
    try:
        keras.saving.load_model("model.keras")
        loads[name] = True
    except TypeError as error:
        loads[name] = False
        print(str(error).rpartition("Exception encountered: ")[2].splitlines()[0])
    print(name, "is loaded:", loads[name])
assert loads == dict(zip(cuts, (True, False, True))), "it has changed"
PYTHON
cd "$folder"
TF_CPP_MIN_LOG_LEVEL=3 CUDA_VISIBLE_DEVICES='' "$folder/venv/bin/python" check.py
# Seen on 2026-11-29, CPU:
#   ViT, whole is loaded: True
#   Unrecognized keyword arguments passed to ViTPatchingAndEmbedding: {'num_patches': 16, 'num_positions': 17}
#   ViT, cut is loaded: False
#   ResNet, cut is loaded: True
