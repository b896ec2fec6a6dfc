"""Is anything still moving? Outboxes, durables, doors and what is due."""

from dataclasses import dataclass

from nats.js import JetStreamContext
from sqlalchemy import text

from deploy.audit.records import Sources
from shared.service import Service, durable_of

SOON_S = 5
"""What is due within this many seconds counts as moving: a sweep follows a change after three."""


@dataclass(frozen=True)
class Moving:
    """What still moves, by name; and how many events each service has told so far."""

    names: list[str]
    told: dict[str, int]


async def still_moving(sources: Sources) -> Moving:
    """What of *sources* still moves; looked at in the order in which events travel."""
    names: list[str] = []
    told: dict[str, int] = {}
    intake = sources.intake.jetstream()
    for stream in await intake.streams_info():
        if str(stream.config.name).startswith("intake-"):
            names += await _waiting(intake, str(stream.config.name))
    for name, engine in sources.engines.items():
        async with engine.connect() as connection:
            asked = "SELECT count(*), count(*) FILTER (WHERE published_at IS NULL) FROM outbox"
            count, unsent = (await connection.execute(text(asked))).one()
            told[name] = count
            if unsent:
                names.append(f"{name}: {unsent} events in the outbox")
            for due in sources.services[name].works_off:
                asked = (
                    f"SELECT count(*) FROM {due.table} WHERE claimed_until > now() "
                    f"OR due_at < now() + {SOON_S} * interval '1 second'"
                )
                waiting = (await connection.execute(text(asked))).scalar_one()
                if waiting:
                    names.append(f"{name}: {waiting} rows of {due.table} are due")
    platform = sources.platform.jetstream()
    for service in sources.services.values():
        names += await _unread(platform, service)
    return Moving(names, told)


async def _waiting(js: JetStreamContext, stream: str) -> list[str]:
    found = []
    for about in await js.consumers_info(stream):
        waiting = (about.num_pending or 0) + (about.num_ack_pending or 0)
        if waiting:
            found.append(f"{stream}: {waiting} unread")
    return found


async def _unread(js: JetStreamContext, service: Service) -> list[str]:
    found = []
    for contract in service.reacts_to:
        durable = durable_of(service.name, contract)
        about = await js.consumer_info(contract.stream(), durable)
        waiting = (about.num_pending or 0) + (about.num_ack_pending or 0)
        if waiting:
            found.append(f"{durable}: {waiting} unread")
    return found
