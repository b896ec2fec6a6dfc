"""A platform of the fuzzers' own, with a match to ask about: what is thrown at it harms no other."""

from collections.abc import AsyncIterator

import pytest

from tests.fuzz.roles import Town, town
from tests.platform import platform_running

UNPACED = {"HTTP_REQUESTS_PER_S": "0"}


@pytest.fixture(scope="session")
async def fuzzed() -> AsyncIterator[Town]:
    """Two companies with a match, and everybody who may ask; as fast as they like."""
    paces = dict.fromkeys(("registry", "matcher", "indicators", "notifier", "portal"), UNPACED)
    async with platform_running(settings=paces) as running:
        yield await town(running)
