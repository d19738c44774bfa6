#!/bin/sh
# Keras 3.15.1: a RandomCrop layer does nothing in inference, and says that it does.
#
# The layer's documentation has the largest window of the target's aspect ratio resized
# to the target there, and `compute_output_shape` and the model's own shape are those of
# the target. In `predict`, and in a call with `training=False`, pictures come out as they
# went in, at their old size. A head that pools does not notice: the network is trained on
# crops and asked about something else; a head that flattens fails.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    'tensorflow==2.21.0' \
    'keras==3.15.1'
cat > "$folder/check.py" <<'PYTHON'
import keras
import numpy as np

rng = np.random.default_rng(0)
for size in ((16, 16), (16, 12), (6, 6)):
    picture = rng.random((2, *size, 3), np.float32)
    model = keras.Sequential([keras.Input((*size, 3)), keras.layers.RandomCrop(8, 8)])
    trained = model(picture, training=True).shape
    answer = model.predict(picture, verbose=0)
    print(size, "says", model.output_shape, "training", tuple(trained), end=" ")
    print("predict", answer.shape)
    assert model.output_shape == (None, 8, 8, 3) and trained == (2, 8, 8, 3)
    assert np.array_equal(answer, picture), "it has changed"
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/check.py"
# Seen on 2026-11-29, CPU:
#   (16, 16) says (None, 8, 8, 3) training (2, 8, 8, 3) predict (2, 16, 16, 3)
#   (16, 12) says (None, 8, 8, 3) training (2, 8, 8, 3) predict (2, 16, 12, 3)
#   (6, 6) says (None, 8, 8, 3) training (2, 8, 8, 3) predict (2, 6, 6, 3)
