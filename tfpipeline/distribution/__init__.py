"""ROOM: choose a strategy, and hand each replica its part of a global batch."""

from tfpipeline.distribution.choosing import check, choose, precision, start
from tfpipeline.distribution.sharing import (
    agree,
    chief_first,
    gather,
    gather_all,
    is_chief,
    losing_nobody,
    own_part,
    replica_multiple,
    split,
    sum_over_workers,
    wait_for_all,
    workers,
)

__all__ = [
    "agree",
    "check",
    "chief_first",
    "choose",
    "gather",
    "gather_all",
    "is_chief",
    "losing_nobody",
    "own_part",
    "precision",
    "replica_multiple",
    "split",
    "start",
    "sum_over_workers",
    "wait_for_all",
    "workers",
]
