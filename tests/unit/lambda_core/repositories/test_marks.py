"""Which names leave the marks of a cluster."""

import pytest

from lambda_core.repositories.marks import _is_older
from lambda_core.views.pointer import Published

CURRENT = Published("g200", 7, "d.3", {}, 0)


@pytest.mark.parametrize("name", ["g199", "d.2"])
def test_what_is_older_than_the_current_view_leaves(name: str):
    assert _is_older(name, CURRENT)


@pytest.mark.parametrize("name", ["g1000", "d.10", "e.0"])
def test_what_somebody_else_is_loading_stays(name: str):
    assert not _is_older(name, CURRENT)
