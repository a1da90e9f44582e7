"""Slots of a cluster, as Redis counts them."""

from redis.crc import key_slot

from lambda_core.views.keyspace import Keyspace
from lambda_core.views.slots import SLOTS, is_cluster, tag_of


def test_every_slot_has_a_tag_that_falls_into_it():
    assert [key_slot(f"any:{{{tag_of(slot)}}}:more".encode()) for slot in range(SLOTS)] == list(range(SLOTS))


def test_an_entitys_mark_lies_in_its_slot():
    keys = Keyspace("shop", sharded=True)

    slots = {
        key_slot(key.encode())
        for key in (keys.mark_of("g", "e|1"), keys.speed("g", "e|1", "d.0", 3), keys.batch("g", "e|1", "g1"))
    }

    assert len(slots) == 1


def test_one_redis_has_one_mark():
    assert Keyspace("shop").mark_of("g", "e") == Keyspace("shop").mark_of("g", "f") == "ms:shop:mark"


def test_the_address_alone_says_whether_it_is_a_cluster():
    assert is_cluster("redis+cluster://a:1,b:2")
    assert not is_cluster("redis://a:1/0")
