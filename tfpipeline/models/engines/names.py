"""Names of engines."""

import math

from tfpipeline.core.errors import unknown

TENSORFLOW, LITERT, BFLOAT16 = "tensorflow", "litert", "bfloat16"

# By how much bfloat16 may change the features of an image, relative to their length:
# not at all where metrics rest on them; little where a training is not their only
# reader; and by any amount, as long as neighbours stay, where it is.
EXACT, CLOSE, TRAINED_ON = 0.0, 0.02, math.inf
TITLES = {TENSORFLOW: "TensorFlow", LITERT: "LiteRT", BFLOAT16: "bfloat16"}


def check(name: str, flag: str, *, exact: bool = True) -> None:
    """Refuse an engine that nobody knows; `auto` is one that is chosen by trial.

    Args:
        name: The engine.
        flag: That gave it.
        exact: Whether float32 is needed: what is reported rests on the outputs.
    """
    known = ["auto", *(own for own in TITLES if not (exact and own == BFLOAT16))]
    if name not in known:
        raise unknown(flag, name, known)
