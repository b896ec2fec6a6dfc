"""Who may say and hear what on NATS: every credential against every kind of subject."""

import asyncio
import json
from typing import Any

import nats
import pytest
from nats.errors import Error as NatsError

from deploy.allinone import Platform
from deploy.keyring import INTAKE_SERVICES, SERVICES
from tests.conftest import eventually
from tests.platform import company

PUBLISH = {
    "events.registry.forecast-updated.v1.01": {"registry"},
    "events.matcher.match-found.v1.01": {"matcher"},
    "events.indicators.indicator-updated.v1.01": {"indicators"},
    "events.notifier.notification-sent.v1.01": {"notifier"},
    "signals.matcher.match.01.-": {"matcher"},
    "signals.registry.lot.01.-": {"registry"},
    "intake.kuoro.project-added": {"kuoro"},
    "intake.toinen.project-added": {"toinen"},
    "receipts.kuoro.accepted.project-added": {"registry-intake"},
    "matches.kuoro.match-found": {"matcher-intake"},
    "$JS.API.STREAM.CREATE.mine": set(),
    "$JS.API.STREAM.DELETE.events-registry": set(),
    "$JS.API.CONSUMER.CREATE.events-registry.mine": set(),
    "$JS.API.CONSUMER.DELETE.events-registry.matcher-forecast-updated-v1": set(),
    "$JS.API.STREAM.PURGE.intake-kuoro": set(),
    "$SYS.REQ.SERVER.PING": set(),
}
SUBSCRIBE = {
    ">": set(),
    "events.>": set(),
    "intake.>": set(),
    "intake.kuoro.>": set(),
    "receipts.>": set(),
    "receipts.kuoro.>": {"kuoro"},
    "receipts.toinen.>": {"toinen"},
    "matches.kuoro.>": {"kuoro"},
    "signals.>": {"portal"},
    "_INBOX.>": set(),
    "$JS.API.>": set(),
    "$SYS.>": set(),
}


@pytest.fixture(scope="module")
async def seeds(platform: Platform) -> dict[str, str]:
    """Every credential but the operator's: services, their second connections, two companies."""
    names = [*SERVICES, *(f"{name}-intake" for name in INTAKE_SERVICES)]
    found = {name: platform.ring.nats_seed(name).read_text() for name in names}
    for token in ("kuoro", "toinen"):
        found[token] = (await company(platform, token)).credentials.nats_seed
    return found


async def refusals(platform: Platform, seed: str, act: Any) -> list[str]:
    """What the server refused while *act* was done with *seed*."""
    told: list[str] = []

    async def hear(error: Exception) -> None:
        told.append(str(error).lower())

    client = await nats.connect(
        platform.system.nats_url, nkeys_seed_str=seed.strip(), error_cb=hear
    )
    await act(client)
    await client.flush()
    await asyncio.sleep(0.05)
    await client.close()
    return told


async def test_each_may_publish_only_its_own(platform: Platform, seeds: dict[str, str]) -> None:
    """A service cannot tell another's facts; a company cannot speak for another."""
    wrong = []
    for who, seed in seeds.items():
        for subject, allowed in PUBLISH.items():

            async def act(client: Any, subject: str = subject) -> None:
                await client.publish(subject, b"{}", headers={"x": "y"})

            refused = bool(await refusals(platform, seed, act))
            if refused == (who in allowed):
                wrong.append(f"{who} {'may not' if refused else 'may'} publish {subject}")
    assert wrong == []


async def test_each_may_hear_only_its_own(platform: Platform, seeds: dict[str, str]) -> None:
    """No company hears another's receipts or matches; no service hears everything."""
    wrong = []
    for who, seed in seeds.items():
        for subject, allowed in SUBSCRIBE.items():

            async def act(client: Any, subject: str = subject) -> None:
                await client.subscribe(subject)

            refused = bool(await refusals(platform, seed, act))
            if refused == (who in allowed):
                wrong.append(f"{who} {'may not' if refused else 'may'} hear {subject}")
    assert wrong == []


async def test_a_hostile_reply_subject_makes_no_event_and_no_verdict(
    platform: Platform, seeds: dict[str, str]
) -> None:
    """The server's acknowledgement lands at another's door without headers: it is passed over."""
    state = platform.ring.nats_seed("admin").read_text()
    client = await nats.connect(platform.system.nats_url, nkeys_seed_str=state.strip())
    before = (await client.jetstream().stream_info("events-registry")).state.last_seq
    admin = platform.ring.nats_seed("intake-admin").read_text()
    doors = await nats.connect(platform.system.nats_url, nkeys_seed_str=admin.strip())
    known = await receipts_of(doors, "toinen")

    async def act(company: Any) -> None:
        for reply in ("intake.toinen.project-added", "events.registry.forecast-updated.v1.01"):
            await company.publish("intake.kuoro.project-added", b"{}", reply=reply)

    async def passed_over() -> bool:
        left = [
            (await doors.jetstream().stream_info(f"intake-{token}")).state.messages
            for token in ("kuoro", "toinen")
        ]
        return left == [0, 0]

    await refusals(platform, seeds["kuoro"], act)
    await eventually(passed_over)
    after = (await client.jetstream().stream_info("events-registry")).state.last_seq
    await client.close()

    assert after == before
    assert await receipts_of(doors, "toinen") == known
    await doors.close()


async def receipts_of(client: Any, organisation: str) -> list[Any]:
    """Receipts told to *organisation*."""
    found = []
    reader = await client.jetstream().subscribe(
        f"receipts.{organisation}.*.*", ordered_consumer=True
    )
    try:
        while True:
            found.append(json.loads((await reader.next_msg(timeout=0.5)).data))
    except TimeoutError:
        return found


async def test_a_rotated_key_is_cut_off_at_once_and_the_new_one_works(platform: Platform) -> None:
    """Rotation ends the old connection, not the neighbours'."""
    from deploy.asking import Asking  # noqa: PLC0415
    from deploy.organisations import rotate  # noqa: PLC0415

    first = await company(platform, "kierto")
    neighbour = await company(platform, "naapuri")
    gone = asyncio.Event()
    neighbour_gone = asyncio.Event()

    async def cut() -> None:
        gone.set()

    async def neighbour_cut() -> None:
        neighbour_gone.set()

    old = await nats.connect(
        platform.system.nats_url,
        nkeys_seed_str=first.credentials.nats_seed,
        disconnected_cb=cut,
        allow_reconnect=False,
    )
    other = await nats.connect(
        platform.system.nats_url,
        nkeys_seed_str=neighbour.credentials.nats_seed,
        disconnected_cb=neighbour_cut,
    )
    async with Asking(platform.system) as ask:
        fresh = await rotate(platform.system, ask, "kierto")
    await asyncio.wait_for(gone.wait(), 5)
    assert not neighbour_gone.is_set()
    await other.close()
    await old.close()

    with pytest.raises((NatsError, TimeoutError)):
        await nats.connect(
            platform.system.nats_url,
            nkeys_seed_str=first.credentials.nats_seed,
            allow_reconnect=False,
            connect_timeout=2,
        )
    new = await nats.connect(platform.system.nats_url, nkeys_seed_str=fresh.nats_seed)
    assert new.is_connected
    await new.close()
