"""Which shards are read together, and by whom."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.shards.test_reading import names, put
from tfpipeline.core.errors import UserError
from tfpipeline.data.pipeline import Reading
from tfpipeline.models.shard_features import ShardFeatures
from tfpipeline.shards import reading
from tfpipeline.train import setup


def test_balanced_epochs_of_shards_that_workers_own_are_refused(tmp_path: Path) -> None:
    plan = put(tmp_path, names(12), np.ones((12, 2), np.float32))
    rows = reading.rows(plan)
    features = ShardFeatures(plan, rows.shard, rows.row)
    alone = Reading(8, 8, "squash", 4, sampling="balanced")
    assert setup.blocks_of(features, alone).workers == 1
    several = dataclasses.replace(alone, workers=2)
    with pytest.raises(UserError, match="--data.sampling balanced.*--data.features"):
        setup.blocks_of(features, several)
    plain = dataclasses.replace(several, sampling="natural")
    assert setup.blocks_of(features, plain).workers == 2
