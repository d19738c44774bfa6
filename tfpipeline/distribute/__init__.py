"""Choose a strategy, and hand each replica its part of a global batch."""

from tfpipeline.distribute.agreement import check_same, chief_first, jointly
from tfpipeline.distribute.collectives import (
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
from tfpipeline.distribute.strategy import choose, precision, start

__all__ = [
    "check_same",
    "chief_first",
    "choose",
    "gather",
    "gather_all",
    "is_chief",
    "jointly",
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
