"""On the way: what was announced was applied by each reader once, or lies in its dead letters."""

from datetime import UTC, datetime, timedelta

from deploy.audit.records import Kept, Records
from deploy.audit.report import Line, line
from shared.contracts.base import Event
from shared.service import durable_of

KEPT_FOR = timedelta(days=44)
"""How far back an inbox surely reaches: it is kept a day longer."""


def delivery(records: Records) -> list[Line]:
    """The promises of outboxes and durables."""
    lines = [_outboxes(records)]
    for name, kept in records.kept.items():
        lines += [_durable(records, name, kept, contract) for contract in kept.service.reacts_to]
    return lines


def _outboxes(records: Records) -> Line:
    found = []
    for name, kept in records.kept.items():
        for one in kept.journal:
            if not one.is_published:
                held = "held by a relay" if one.is_held else "held by nobody"
                found.append(f"{name} {one.name} {one.id} is not published, {held}")
    counted = {name: len(kept.journal) for name, kept in records.kept.items()}
    return line("the outboxes are empty and no letter is held", counted, found)


def _durable(records: Records, reader: str, kept: Kept, contract: type[Event]) -> Line:
    durable, source = durable_of(reader, contract), f"/massakoppi/{contract.owner()}"
    announced = records.announced(contract)
    since = datetime.now(UTC) - KEPT_FOR
    dead = {
        key.removeprefix(f"{source} "): row
        for key, row in kept.set_aside.get(durable, {}).items()
        if key.startswith(f"{source} ")
    }
    taken = {id for id, row in dead.items() if row["reason"] == "taken"}  # known, so not read again
    entered = [row for row in kept.inbox if row["durable"] == durable]
    applied = {row["event_id"] for row in entered} - taken
    ids = {one.id for one in announced}
    found = [
        f"{one.id} ({one.subject}) is neither applied nor a dead letter"
        for one in announced
        if one.id not in applied and one.id not in dead and one.at > since
    ]
    found += [f"{id} is applied and a dead letter" for id in applied & dead.keys()]
    found += [f"{id} is applied but was never announced" for id in applied - ids]
    found += [f"{row['event_id']} came from {row['source']}" for row in entered
              if row["source"] != source]  # fmt: skip
    counted = {"announced": len(announced), "applied": len(applied), "dead": len(dead)}
    return line(f"{durable}: announced = applied or dead", counted, found)
