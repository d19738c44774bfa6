#!/bin/sh
# TensorFlow 2.21.0: each pass over the same dataset waits for it to be rewritten anew.
#
# `iter(dataset)` hands the whole graph of the dataset, with the functions of its maps, to
# the optimizer of `tf.data`, and forgets what that found: the second pass, and the
# hundredth, wait as long as the first. The time grows with the operations in the maps,
# not with the data, and no tuning of parallel calls or prefetching touches it. A training
# of small epochs waits twice in each of them. Where all calls and buffers are given there
# is nothing to find: with `experimental_optimization.apply_default_optimizations = False`
# batches are equal and come earlier.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    'tensorflow==2.21.0'
cat > "$folder/check.py" <<'PYTHON'
import statistics
import time

import numpy as np
import tensorflow as tf


def change(values):
    """Some 600 operations in branches, as a reader of several formats has."""
    for number in range(60):
        values = tf.cond(
            tf.reduce_sum(values) > number,
            lambda v=values: tf.abs(v) * 0.5 + 1.0,
            lambda v=values: v - 1.0,
        )
    return values


def pipeline(rewrites):
    rows = tf.data.Dataset.from_tensor_slices(tf.reshape(tf.range(40.0), (10, 4)))
    found = rows.map(change, num_parallel_calls=2).prefetch(2)
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = rewrites
    return found.with_options(options)


both = {rewrites: pipeline(rewrites) for rewrites in (True, False)}
took = {True: [], False: []}
passes = {}
for number in range(9):
    for rewrites, dataset in both.items():
        since = time.perf_counter()
        batches = iter(dataset)
        took[rewrites].append(time.perf_counter() - since)
        passes[rewrites] = np.stack(list(batches))
assert np.array_equal(passes[True], passes[False])
# The first pass of each warms up.
late = statistics.median(took[True][1:4]) , statistics.median(took[True][6:])
ratios = [one / other for one, other in zip(took[True][1:], took[False][1:])]
ratio = statistics.median(ratios)
print(f"seconds before the first batch, passes 2 to 4: {late[0]:.2f}, 7 to 9: {late[1]:.2f}")
print(f"with rewrites over without, median of {len(ratios)} passes: {ratio:.1f}")
assert late[1] > 0.5 * late[0], "a later pass no longer waits"
assert ratio > 1.3, "rewriting no longer costs what it did"
PYTHON
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/check.py" 2> /dev/null
