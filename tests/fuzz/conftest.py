"""A platform of this suite's own: what is thrown at it harms no other test."""

from collections.abc import AsyncIterator

import pytest

from tests.fuzz.roles import Town, town
from tests.platform import platform_running

UNPACED = {"HTTP_REQUESTS_PER_S": "0"}


@pytest.fixture(scope="session")
async def fuzzed() -> AsyncIterator[Town]:
    """Two companies with a match, and everybody who may ask; as fast as they like."""
    more: dict[str, dict[str, str]] = {
        name: dict(UNPACED) for name in ("registry", "matcher", "indicators", "notifier", "portal")
    }
    more["registry"]["REGISTRY_PATIENCE_S"] = "0.5"
    async with platform_running(settings=more) as running:
        yield await town(running)
