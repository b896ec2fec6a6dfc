"""The loads: kept as reported last, and every balance that they make closes."""

from collections import defaultdict
from collections.abc import Iterable

from deploy.audit.effects import by_match
from deploy.audit.records import Records, Row, Told, newest
from deploy.audit.report import Line, line
from shared.contracts import (
    DeliveryRecorded,
    DeliveryReported,
    ForecastUpdated,
    MatchChanged,
    MatchFound,
)

GRAM_T = 1e-6


def loads(records: Records) -> list[Line]:
    """The promises about loads."""
    return [_reports(records), _records(records), _balances(records), _lots(records)]


def moved_kg(records: Records) -> dict[str, int]:
    """What was moved of each lot on the day that its amount was told for, and after."""
    forecasts = newest(records.heard("matcher", ForecastUpdated), "forecast_id")
    as_of = {
        id: told.body.get("amount_as_of") or told.at.date().isoformat()
        for id, told in forecasts.items()
    }
    moved: dict[str, int] = defaultdict(int)
    for row in _counting(records):
        ends = (row["surplus_id"], row["kg"]), (row["need_id"], row["kg"] * row["permille"] // 1000)
        for id, kg in ends:
            if id and row["moved_on"] >= as_of.get(id, ""):
                moved[id] += kg
    return moved


def _counting(records: Records) -> list[Row]:
    return [row for row in records.rows("matcher", "delivery") if row["refused"] is None]


def _reports(records: Records) -> Line:
    """Each report is kept as told last; one that counts for nothing says why."""
    last = newest(records.heard("matcher", DeliveryReported), "delivery_id")
    kept = {row["id"]: row for row in records.rows("matcher", "delivery")}
    found = []
    for id, told in last.items():
        row = kept.get(id)
        if row is None:
            found.append(f"loads {id} were reported and are not kept")
        elif (row["reported"], row["kg"]) != (
            told.body["revision"], round(told.body["quantity"]["likely_t"] * 1000),
        ):  # fmt: skip
            found.append(f"loads {id} are kept as {row['kg']} kg of report {row['reported']}")
    refused = len(kept) - len(_counting(records))
    return line("loads are kept as reported last", {"loads": len(kept), "refused": refused}, found)


def _records(records: Records) -> Line:
    """What was told of loads last is what is kept of them."""
    last = newest(records.announced(DeliveryRecorded), "delivery_id")
    found = []
    for row in records.rows("matcher", "delivery"):
        told = last.pop(row["id"], None)
        ends = row["surplus_id"] or row["need_id"]
        counts = row["refused"] is None and (ends or not row["forecast_id"])
        if told is None:
            if counts:
                found.append(f"loads {row['id']} count, and nobody was told")
            continue
        tonnes = row["kg"] / 1000 if row["refused"] is None else 0
        if abs(told.body["tonnes"] - tonnes) > GRAM_T:
            found.append(f"loads {row['id']}: {tonnes} t kept, {told.body['tonnes']} t told")
    found += [f"loads {id} were told and are not kept" for id in last]
    return line("loads were told as they are kept", {"loads": len(last)}, found)


def _balances(records: Records) -> Line:
    """Delivered + left = agreed, in the rows and as it was told; delivered is the sum of loads."""
    under: dict[str, int] = defaultdict(int)
    for row in _counting(records):
        if row["under_match"]:
            under[row["match_id"]] += row["kg"]
    told = by_match([*records.announced(MatchFound), *records.announced(MatchChanged)])
    rows = records.rows("matcher", "match")
    found: list[str] = []
    for match in rows:
        found += _balance(match, under.pop(match["id"], 0), told.get(match["id"], []))
    found += [f"loads under match {id}, which is not kept" for id in under]
    moving = sum(match["delivered_kg"] > 0 for match in rows)
    return line("delivered and left are what was agreed", {"matches": len(rows), "moved": moving},
                found)  # fmt: skip


def _balance(match: Row, kg: int, told: Iterable[Told]) -> Iterable[str]:
    if match["delivered_kg"] != kg:
        yield f"match {match['id']} has {match['delivered_kg']} kg delivered, its loads {kg} kg"
    for one in told:
        body = one.body
        if body.get("left_t") is None:
            continue
        if abs(body["delivered_t"] + body["left_t"] - body["tonnes"]["likely"]) > GRAM_T:
            yield f"match {match['id']} revision {body['revision']} does not close"


def _lots(records: Records) -> Line:
    """What the matcher takes off each lot is the sum of its loads."""
    moved = moved_kg(records)
    rows = records.rows("matcher", "lot")
    found = [f"lot {row['id']}: {row['moved_kg']} kg moved, its loads {moved.get(row['id'], 0)} kg"
             for row in rows if row["moved_kg"] != moved.get(row["id"], 0)]  # fmt: skip
    return line("what is off a lot is the sum of its loads", {"lots": len(rows)}, found)
