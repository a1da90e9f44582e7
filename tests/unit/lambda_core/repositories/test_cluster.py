"""A cluster's client, before anything is asked."""

import pytest

from lambda_core.errors import ConfigError
from lambda_core.repositories.store import _rounds, address, client_of
from lambda_core.views.script import ScriptCall


def test_an_address_names_shards_and_never_the_password():
    client = client_of("redis+cluster://user:s%40crét@one:7000,two:7001")

    assert address(client) == "one:7000,two:7001"


@pytest.mark.parametrize("hosts", ["", "one", "one:x", ":7000", "one:7000,", "one:7000,two"])
def test_an_address_that_names_no_shard_is_told_with_what_is_expected(hosts: str):
    with pytest.raises(ConfigError, match="REDIS_URL: expected redis") as raised:
        client_of(f"redis+cluster://user:secret@{hosts}")

    assert "secret" not in str(raised.value)


def test_there_is_no_transaction_over_several_slots():
    with pytest.raises(TypeError, match="transaction=False"):
        client_of("redis+cluster://one:7000").pipeline(transaction=True)


def test_an_entitys_second_call_goes_with_the_second_round():
    keys = ["ms:{g:a}:s:1", "ms:{g:b}:s:1", "ms:{g:a}:s:2", "ms:{g:c}:s:1", "ms:{g:a}:s:1"]

    assert _rounds([ScriptCall([key], []) for key in keys]) == [[0, 1, 3], [2], [4]]
