"""Where a worker goes on, by what every shard says."""

from speed_layer.positions import _oldest


def test_the_oldest_position_of_all_shards_counts():
    assert _oldest([0, 1], [[b"7", b"5"], [b"6", b"9"]]) == {0: 6, 1: 5}


def test_a_partition_that_one_shard_knows_nothing_of_has_no_position():
    assert _oldest([0, 1], [[b"7", b"5"], [None, b"9"]]) == {1: 5}


def test_a_worker_without_partitions_has_no_positions():
    assert _oldest([], []) == {}
