"""Checks of a result: passed, failed, or not asked."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_OUTCOMES = {True: "passed", False: "failed", None: "not asked"}


@dataclass(frozen=True)
class Check:
    """One thing that should be true of a result."""

    passed: bool | None  # None where there was nothing to check.
    value: Any  # What was measured.
    meaning: str  # What is true if it passed.
    otherwise: str = ""  # What it means if it failed.

    def told(self) -> dict[str, Any]:
        """Return its fields, and the `outcome` in words, for a JSON file."""
        return {"outcome": _OUTCOMES[self.passed], **dataclasses.asdict(self)}


def if_asked(count: int, passed: object) -> bool | None:
    """Return whether a check of `count` things passed; None where there are none."""
    return bool(passed) if count else None


def outcome(check: Mapping[str, Any]) -> str:
    """Return the outcome of a check from a file; earlier versions wrote no words."""
    return _OUTCOMES[check.get("passed")]


def failed(checks: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return those checks that failed, by name."""
    return {name: check for name, check in checks.items() if check["passed"] is False}


def unasked(checks: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a line that names the checks that were not asked, if any."""
    names = [name for name, check in checks.items() if check["passed"] is None]
    return [f"Checks not run: {', '.join(names)}."] if names else []
