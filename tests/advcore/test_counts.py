"""Numbers with their nouns."""

import pytest

from advcore.counts import counted


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 shards"), (1, "1 shard"), (2, "2 shards"), (11, "11 shards")]
)
def test_a_noun_follows_its_number(count, text):
    assert counted(count, "shard") == text
