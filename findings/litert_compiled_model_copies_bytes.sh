#!/bin/sh
# LiteRT 2.3.0: CompiledModel copies the bytes of a uint8 picture into float32 buffers.
#
# `TensorBuffer.write` takes an array of any type and looks at its bytes alone. A picture
# of 0 to 255 as uint8 fills a quarter of a float32 buffer with values that are none, and
# the model answers something, without an error. The Interpreter refuses the same array.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    'tensorflow==2.21.0' \
    'ai-edge-litert==2.3.0'
cat > "$folder/check.py" <<'PYTHON'
import sys

import numpy as np
import tensorflow as tf
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.interpreter import Interpreter


class Mean(tf.Module):
    @tf.function(
        input_signature=[tf.TensorSpec([1, 4, 4, 3], tf.float32, name="images")],
        autograph=False,
    )
    def forward(self, images):
        return {"mean": tf.reduce_mean(images, axis=(1, 2))}


mean = Mean()
converter = tf.lite.TFLiteConverter.from_concrete_functions(
    [mean.forward.get_concrete_function()], mean
)
file = sys.argv[1] + "/mean.tflite"
with open(file, "wb") as out:
    out.write(converter.convert())
model = CompiledModel.from_file(file)
signature = next(iter(model.get_signature_list()))


def ask(images):
    given = model.create_input_buffer_by_name(signature, "images")
    answer = model.create_output_buffer_by_name(signature, "mean")
    given.write(np.zeros((1, 4, 4, 3), np.float32))
    given.write(images)
    model.run_by_name(signature, {"images": given}, {"mean": answer})
    return answer.read(3, np.float32)


picture = np.full((1, 4, 4, 3), 200, np.uint8)
right, copied = ask(picture.astype(np.float32)), ask(picture)
print("float32", right, "uint8", copied)
assert np.allclose(right, 200)
# The first 12 floats are the bytes of the picture, the others those of before.
floats = np.zeros(48, np.float32)
floats[:12] = picture.reshape(-1).view(np.float32)
assert np.allclose(copied, floats.reshape(16, 3).mean(0)), "it has changed"
try:
    Interpreter(file).get_signature_runner()(images=picture)
except ValueError as error:
    print("Interpreter:", str(error)[:60])
else:
    raise AssertionError("it has changed")
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/check.py" "$folder"
# Seen on 2026-11-30, CPU:
#   float32 [200. 200. 200.] uint8 [-102801.56 -102801.56 -102801.56]
#   Interpreter: Cannot set tensor: Got value of type UINT8 but expected type
