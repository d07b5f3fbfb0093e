"""Shards cover a data set."""

import pytest

from advcore.workers.errors import InputError
from advcore.workers.shards import split


def test_shards_cover_every_sample_once():
    shards = split(10, 4)
    assert [(shard.start, shard.stop) for shard in shards] == [(0, 4), (4, 8), (8, 10)]
    assert [len(shard) for shard in shards] == [4, 4, 2]
    with pytest.raises(InputError, match="a shard needs at least one sample; got shard size 0"):
        split(10, 0)
