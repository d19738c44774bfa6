"""Which switches make the same network give other numbers on the same machine.

They are part of the names of what is kept of a network's outputs: features that were
computed under `ONEDNN_DEFAULT_FPMATH_MODE=bf16` are others, and were once used without
it. Where none is set, nothing is added, and what was kept before stays.
"""

import os

import tensorflow as tf

# Variables by which libraries compute less precisely, or otherwise, and the values that
# say what holds without them. What only rounds otherwise from run to run (autotuning,
# deterministic kernels) is none of them.
_VARIABLES = {
    # oneDNN: `strict` is float32, others compute in bfloat16 or TF32.
    "ONEDNN_DEFAULT_FPMATH_MODE": ("strict",),
    "DNNL_DEFAULT_FPMATH_MODE": ("strict",),
    "TF_SET_ONEDNN_FPMATH_MODE": (),
    # On or off by the processor where it is not set: no value says the same everywhere.
    "TF_ENABLE_ONEDNN_OPTS": (),
    # CUDA: 0 forbids TF32.
    "NVIDIA_TF32_OVERRIDE": (),
    "TF_FP16_CONV_USE_FP32_COMPUTE": ("1", "true"),
    "TF_FP16_MATMUL_USE_FP32_COMPUTE": ("1", "true"),
}


def switches() -> tuple[str, ...]:
    """Return the switches that are set, as `NAME=value`, in a fixed order."""
    given = {name: os.environ.get(name, "").strip().lower() for name in _VARIABLES}
    changed = [
        f"{name}={value}"
        for name, value in given.items()
        if value and value not in _VARIABLES[name]
    ]
    if not tf.config.experimental.tensor_float_32_execution_enabled():
        changed.append("tensor_float_32=0")
    # XLA compiles nothing here unless it is told to cluster by itself.
    if "auto_jit" in os.environ.get("TF_XLA_FLAGS", ""):
        flags = (f"{n}={os.environ.get(n, '')}" for n in ("TF_XLA_FLAGS", "XLA_FLAGS"))
        changed += flags
    return tuple(changed)
