"""Features that `embed` has computed, as a training reads those that it has cached."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfpipeline.models.feature_cache import FeatureCache
from tfpipeline.shards import reading
from tfpipeline.shards.plan import Plan

# Bytes of features in memory, at most: all of them if they are fewer, otherwise the
# shards of a block, and blocks are trained on one after the other. With 1,280 features
# in float16 that is 209,715 rows.
MOST_BYTES = 2**29

# What of a plan's request says where pictures were and how their rows are written.
_FREE = ("images", "working_folder", "format")


class ShardFeatures(FeatureCache):
    """Rows of the shards of a folder, each under the position of its example.

    Shards are read whole, and the last ones stay in memory.

    Args:
        plan: Of the folder.
        shard: Number of the shard of each example, int32, shape (n,).
        row: Place in that shard, int32, shape (n,).
    """

    def __init__(self, plan: Plan, shard: np.ndarray, row: np.ndarray) -> None:
        self.folder = Path(str(plan.folder))
        self.width = int(plan.request["width"])
        self.shard = shard
        size = self.width * np.dtype(str(plan.request["dtype"])).itemsize
        images = min(plan.images, int(plan.request["shard_images"]))
        self.together = max(1, MOST_BYTES // (size * images))
        self.bytes, self._plan, self._row = size * len(shard), plan, row
        self._arrays = OrderedDict[int, np.ndarray]()
        self._checked: set[int] = set()

    @property
    def is_whole(self) -> bool:
        """Whether all shards stay in memory."""
        return self.together > int(self.shard.max(initial=0))

    @property
    def digest(self) -> str:
        """What was computed, in which type and how many rows a shard: 16 letters."""
        request = self._plan.request
        own = {name: request[name] for name in request if name not in _FREE}
        return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:16]

    def visit(self, keys: Sequence[Any]) -> np.ndarray:
        """Return the places of keys in the order of shards, unless all stay."""
        if self.is_whole:
            return super().visit(keys)
        return np.argsort(self.shard[np.asarray(keys, np.int64)], kind="stable")

    def rows(self, keys: Sequence[Any]) -> np.ndarray:
        """Return the features of examples, float32, shape (len(keys), width)."""
        places = np.asarray(keys, np.int64)
        shard = self.shard[places]
        out = np.empty((len(places), self.width), np.float32)
        numbers, first, which = np.unique(shard, return_index=True, return_inverse=True)
        # In the order in which they are asked for: those of a block that ends before
        # those of the next one, which take their place.
        for k in np.argsort(first):
            own = np.flatnonzero(which == k)
            out[own] = self._array(int(numbers[k]))[self._row[places[own]]]
        return out

    def _array(self, number: int) -> np.ndarray:
        """Return the features of a shard; they are checked when first they are read."""
        if number in self._arrays:
            self._arrays.move_to_end(number)
            return self._arrays[number]
        while len(self._arrays) >= self.together:
            self._arrays.popitem(last=False)
        is_new = number not in self._checked
        array = reading.vectors(self._plan, number, checks=is_new)
        self._checked.add(number)
        self._arrays[number] = array
        return array
