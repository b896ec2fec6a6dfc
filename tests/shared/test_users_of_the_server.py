"""The companies' users at the NATS server are those that the registry knows, and no others."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nats
import pytest
from nats.errors import Error as NatsError

from deploy.cards import cards
from deploy.keyring import Keyring, new_nats_key, write_secret
from deploy.nats_conf import nats_conf, organisations_conf
from deploy.organisations import open_doors, write_users
from deploy.servers import Nats, free_port
from deploy.system import System


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[System]:
    """A server with the accounts of the platform, and no company."""
    ring = Keyring(tmp_path / "keys")
    ring.make()
    server = Nats(tmp_path / "nats", free_port())
    server.folder.mkdir()
    conf = nats_conf(cards(), ring, store=tmp_path / "store", port=server.port)
    (server.folder / "nats.conf").write_text(conf)
    (server.folder / "organisations.conf").write_text(organisations_conf({}, ring))
    server.start()
    yield System(tmp_path, f"nats://127.0.0.1:{server.port}", "", {}, tmp_path / "keys")
    server.stop()


async def enters(system: System, seed: str) -> bool:
    """Whether the server lets the holder of *seed* in."""

    async def quietly(_: Exception) -> None:
        """Refused is an answer here."""

    try:
        client = await nats.connect(
            system.nats_url, nkeys_seed_str=seed, allow_reconnect=False, error_cb=quietly
        )
    except (NatsError, OSError, TimeoutError):
        return False
    await client.close()
    return True


async def test_a_list_of_users_that_was_not_read_is_read_the_next_time(system: System) -> None:
    """Written, and the reload failed: the same command again does not take it for done."""
    company = new_nats_key()
    right = system.ring.nats_seed("system").read_text()
    write_secret(system.ring.nats_seed("system"), new_nats_key().seed)
    with pytest.raises((NatsError, OSError, TimeoutError)):
        await write_users(system, {"acme": [company.public]})
    write_secret(system.ring.nats_seed("system"), right)
    assert not await enters(system, company.seed)

    await write_users(system, {"acme": [company.public]})

    assert await enters(system, company.seed)


async def test_commands_at_the_same_time_leave_the_newest_list_of_users(system: System) -> None:
    """Who asked the registry first and was slow does not take the other's organisation away."""
    first, second = new_nats_key(), new_nats_key()
    known = [{"organisation": "acme", "public_key": first.public}]
    asked = asyncio.Event()

    async def slow(*_: Any) -> list[dict[str, Any]]:
        told = list(known)
        asked.set()
        await asyncio.sleep(0.5)
        return told

    async def quick(*_: Any) -> list[dict[str, Any]]:
        return known

    one = asyncio.create_task(open_doors(system, SimpleNamespace(every=slow)))  # type: ignore[arg-type]
    await asked.wait()
    known.append({"organisation": "beta", "public_key": second.public})
    await open_doors(system, SimpleNamespace(every=quick))  # type: ignore[arg-type]
    await one

    assert await enters(system, second.seed)
