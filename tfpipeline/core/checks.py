"""What should be true of a result: passed, failed, or not asked."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_OUTCOMES = {True: "passed", False: "failed", None: "not asked"}


@dataclass(frozen=True)
class Check:
    """One thing that should be true.

    Args:
        passed: Whether it is; None where there was nothing to ask.
        value: What was measured.
        meaning: What is true if it passed.
        otherwise: What it means if it failed.
    """

    passed: bool | None
    value: Any
    meaning: str
    otherwise: str = ""

    def told(self) -> dict[str, Any]:
        """Return it for a JSON file: its fields, and the `outcome` in words."""
        return {"outcome": _OUTCOMES[self.passed], **dataclasses.asdict(self)}


def if_asked(count: int, passed: object) -> bool | None:
    """Return whether a check passed; None where it was asked about nothing.

    Args:
        count: Of what it was asked about.
        passed: Whether it passed, where that is not 0.
    """
    return bool(passed) if count else None


def outcome(check: Mapping[str, Any]) -> str:
    """Return what came of a check in words, of earlier versions as well.

    Args:
        check: What `Check.told` returned, as read from a file.
    """
    return _OUTCOMES[check.get("passed")]


def failed(checks: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return those checks that failed, by name.

    Args:
        checks: What `Check.told` returned, by name.
    """
    return {name: one for name, one in checks.items() if one["passed"] is False}


def unasked(checks: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a line that names the checks that were not asked; none where all were.

    Args:
        checks: What `Check.told` returned, by name.
    """
    names = [name for name, one in checks.items() if one["passed"] is None]
    return [f"Not asked: {', '.join(names)}."] if names else []
