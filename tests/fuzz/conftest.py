"""A platform of this suite's own: what is thrown at it harms no other test."""

from collections.abc import AsyncIterator, Iterator

import pytest

from deploy.cards import cards
from tests.fuzz.roles import PEOPLE, Town, town
from tests.kept import Kept
from tests.platform import platform_running
from tests.signing_in import sign_in_apart

UNPACED = {"HTTP_REQUESTS_PER_S": "0"}


@pytest.fixture(scope="session")
async def fuzzed() -> AsyncIterator[Town]:
    """Two companies with a match, and everybody who may ask; as fast as they like."""
    more: dict[str, dict[str, str]] = {
        name: dict(UNPACED) for name in ("registry", "matcher", "indicators", "notifier", "portal")
    }
    more["registry"]["REGISTRY_PATIENCE_S"] = "0.5"
    more["portal"]["PORTAL_BACKEND_TIMEOUT_S"] = "30"
    async with platform_running(settings=more) as running:
        with sign_in_apart(running, {f"sumu-{one}": one for one in PEOPLE}):
            yield await town(running)


@pytest.fixture(scope="session")
def kept(fuzzed: Town) -> Iterator[Kept]:
    """What stands in the databases of the platform that is fuzzed."""
    services = [one.name for one in cards() if one.ledger is not None]
    with Kept(fuzzed.platform.system.postgres_url, services) as made:
        yield made
