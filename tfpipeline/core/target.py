"""What a network is trained to answer: classes, several of them, shares, a number."""

from collections.abc import Collection

from tfpipeline.core.errors import UserError, unknown

FLAG = "--data.target"

SINGLE, MULTI, SOFT, NUMBER = "single", "multi", "soft", "number"

TARGETS = (SINGLE, MULTI, SOFT, NUMBER)

# One class is the answer, with a probability: by a softmax.
CLASSES = (SINGLE, SOFT)


def check(name: str | None) -> None:
    """Refuse what is no target; None is what the source has."""
    if name is not None and name not in TARGETS:
        raise unknown(FLAG, name, TARGETS)


def undefined(target: str, what: str, instead: str) -> UserError:
    """Return the error for what a target does not have.

    Args:
        target: Of the source or the run.
        what: The flag or command that has no meaning for it.
        instead: What there is, as a sentence.
    """
    return UserError(f"{what}: not defined for {FLAG} {target}. {instead}")


def expect(
    target: str, what: str, instead: str, known: Collection[str] = CLASSES
) -> None:
    """Refuse a flag or command for every target but those that are `known`."""
    if target not in known:
        raise undefined(target, what, instead)


def quantity(target: str) -> str:
    """Return what an epoch is watched by beside the loss, as `history.csv` has it."""
    return {MULTI: "label_accuracy", NUMBER: "mae"}.get(target, "accuracy")
