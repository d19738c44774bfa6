#!/bin/sh
# tf2onnx 1.17.0: each pass of its optimizer begins with a copy of the graph and weights.
#
# A pass that raises an error is skipped, and for that the graph is copied by deepcopy
# before each of some ten passes, in each of several rounds. A network of 94 MB takes
# gigabytes for it. TF2ONNX_CATCH_ERRORS=FALSE (in no documentation) converts without
# copies: the same operations, in less memory and time.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    'tensorflow==2.21.0' 'tf2onnx==1.17.0' 'onnx==1.20.1'
cat > "$folder/check.py" <<'PYTHON'
import collections
import copy
import json
import os
import resource
import subprocess
import sys
import time


def convert():
    import keras
    import tensorflow as tf
    import tf2onnx

    copies, deepcopy = collections.Counter(), copy.deepcopy

    def counted(value, *more):
        copies[type(value).__name__] += 1
        return deepcopy(value, *more)

    network = keras.applications.ResNet50(
        weights=None, input_shape=(32, 32, 3), classes=4
    )
    spec = tf.TensorSpec((None, 32, 32, 3), tf.float32)
    call = tf.function(lambda x: network(x, training=False), input_signature=[spec])
    copy.deepcopy, begun = counted, time.perf_counter()
    model, _ = tf2onnx.convert.from_function(call, input_signature=[spec], opset=17)
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    kinds = collections.Counter(node.op_type for node in model.graph.node)
    print(json.dumps([seconds, peak, copies["Graph"], sorted(kinds.items())]))


if sys.argv[1:]:
    convert()
    sys.exit()
results = {}
for name, more in {"default": {}, "FALSE": {"TF2ONNX_CATCH_ERRORS": "FALSE"}}.items():
    done = subprocess.run(
        [sys.executable, __file__, "child"],
        env=os.environ | more,
        stdout=subprocess.PIPE,
        check=True,
    )
    results[name] = json.loads(done.stdout.splitlines()[-1])
    seconds, peak, copies, _ = results[name]
    print(f"{name:8} {seconds:5.1f} s, peak {peak:.1f} GB, {copies} copies of the graph")
slow, fast = results["default"], results["FALSE"]
assert slow[3] == fast[3], "the files differ now"
assert slow[2] > 10 and fast[2] == 0 and slow[1] > fast[1], "it has changed"
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/check.py" 2> /dev/null
# Seen on 2026-11-30, CPU (two cores, shared with other work):
#   default   36.2 s, peak 7.1 GB, 24 copies of the graph
#   FALSE     24.8 s, peak 5.4 GB, 0 copies of the graph
