"""One demo for all tests of this folder, begun before them if other tests came first."""

import pytest


@pytest.fixture(scope="session")
def demo(demo_begun):
    """A demo that has ended, with its system still running."""
    return demo_begun.demo.result()
