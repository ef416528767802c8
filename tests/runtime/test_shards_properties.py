"""How rows are dealt out to processes, for any number of either."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from labelaudit.runtime.distributed import ProcessGroup


@given(st.integers(1, 300), st.integers(0, 10**7))
def test_shards_are_all_rows_in_order_and_even(size, total):
    shards = [ProcessGroup(rank, size).shard(total) for rank in range(size)]
    assert (shards[0].start, shards[-1].stop) == (0, total)
    assert all(one.stop == other.start for one, other in pairwise(shards))
    lengths = [shard.stop - shard.start for shard in shards]
    assert max(lengths) - min(lengths) <= 1
    assert max(lengths) == -(-total // size)  # what `all_gather` pads every shard to
