"""Names of engines."""

from tfpipeline.core.errors import unknown

TENSORFLOW, LITERT, BFLOAT16 = "tensorflow", "litert", "bfloat16"
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
