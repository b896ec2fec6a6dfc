"""At the door: every event gets one verdict and its receipt, or lies there dead with its reason."""

from collections import Counter, defaultdict

from deploy.audit.records import Records, Row, Told
from deploy.audit.report import Line, line
from shared.contracts import Receipt

REUSED = "event_id_reused"


def door(records: Records) -> list[Line]:
    """The promises of the companies' door."""
    rows = records.rows("registry", "intake")
    return [_verdicts(records, rows), _receipts(records, rows), _unread(records, rows)]


def _verdicts(records: Records, rows: list[Row]) -> Line:
    found = []
    counts = Counter(row["verdict"] or "waiting" for row in rows)
    dead = records["registry"].set_aside
    for row in rows:
        name = f"{row['organisation']} {row['source']} {row['event_id']}"
        letters = dead.get(f"registry-intake-{row['organisation']}", {})
        if row["verdict"] is None:
            found.append(f"{name} waits since {row['first_seen']}")
        elif f"{row['source']} {row['event_id']}" in letters:
            found.append(f"{name} has a verdict and is a dead letter")
        elif (row["verdict"] == "rejected") != bool(row["reasons"]):
            found.append(f"{name} is {row['verdict']} with {len(row['reasons'] or [])} reasons")
    counted = {name: counts[name] for name in ("accepted", "rejected", "waiting")}
    return line("every event at the door has one verdict", {"events": len(rows), **counted}, found)


def _receipts(records: Records, rows: list[Row]) -> Line:
    told = {one.id: one for one in records.announced(Receipt)}
    keys = {(row["organisation"], row["source"], row["event_id"]): row for row in rows}
    found = []
    first: set[str] = set()
    for key, row in keys.items():
        receipt = told.get(str(row["receipt_id"]))
        if row["verdict"] is None:
            continue
        if receipt is None:
            found.append(f"{' '.join(key)}: no receipt was told")
            continue
        first.add(receipt.id)
        if _said(receipt) != _kept(row):
            found.append(f"{' '.join(key)}: the receipt says {_said(receipt)}, kept {_kept(row)}")
    again = [one for one in told.values() if one.id not in first]
    for one in again:
        body = one.body
        known = keys.get((body["organisation"], body["source"], body["event_id"]))
        if known is None:
            found.append(f"receipt {one.id} is about nothing that came in")
        elif body["code"] != REUSED and _said(one) != _kept(known):
            found.append(f"receipt {one.id} says {_said(one)}, kept {_kept(known)}")
        elif known["knocks"] < 2:
            found.append(f"receipt {one.id} repeats one that was asked for once")
    counted = {"receipts": len(told), "told_again": len(again)}
    return line("every verdict was told by one receipt", counted, found)


def _said(receipt: Told) -> tuple[object, ...]:
    body = receipt.body
    canonical = body.get("canonical") or {}
    return (body["organisation"], body["verdict"], body["code"], canonical.get("id"),
            canonical.get("revision"))  # fmt: skip


def _kept(row: Row) -> tuple[object, ...]:
    return (row["organisation"], row["verdict"], row["code"], row["thing_id"],
            row["revision"] if row["thing_id"] else None)  # fmt: skip


def _unread(records: Records, rows: list[Row]) -> Line:
    found = []
    dead: dict[str, int] = defaultdict(int)
    for durable, letters in records["registry"].set_aside.items():
        if durable.startswith("registry-intake-"):
            dead[durable.removeprefix("registry-")] += len(letters)
    for stream, waiting in records.doors.items():
        if waiting > dead[stream]:
            found.append(f"{stream}: {waiting} messages nobody has answered")
    counted = {"doors": len(records.doors), "unread": sum(records.doors.values()),
               "dead_letters": sum(dead.values())}  # fmt: skip
    return line("nothing unread lies at a door", counted, found)
