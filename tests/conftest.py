from collections.abc import Iterator

import pytest
from postgres import binaries, server


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """The address of an empty database."""
    if not binaries():
        pytest.skip("postgresql is not installed")
    with server() as url:
        yield url
