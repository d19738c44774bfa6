"""Names of engines."""

from tfpipeline.core.errors import unknown

TENSORFLOW, LITERT, BFLOAT16 = "tensorflow", "litert", "bfloat16"
TITLES = {TENSORFLOW: "TensorFlow", LITERT: "LiteRT", BFLOAT16: "bfloat16"}


def check(name: str, flag: str) -> None:
    """Refuse an engine that nobody knows; `auto` is one that is chosen by trial."""
    if name not in (known := ("auto", *TITLES)):
        raise unknown(flag, name, known)
