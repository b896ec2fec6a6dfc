"""Effects once: each revision told once, each side told of it, each notification under one id."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from deploy.audit.records import Records, Row, Told
from deploy.audit.report import Line, line
from shared.contracts import (
    AreaUpdated,
    DeliveryReported,
    ForecastUpdated,
    IndicatorUpdated,
    MatchChanged,
    MatchFound,
    NotificationSent,
    OrganisationUpdated,
    OwnMatchChanged,
    OwnMatchFound,
    ProjectAdded,
    ProjectUpdated,
    ProjectWithdrawn,
)
from shared.contracts.base import Event

KINDS: Mapping[str, tuple[str, str, tuple[type[Event], ...]]] = {
    "organisation": ("token", "organisation", (OrganisationUpdated,)),
    "project": ("id", "project_id", (ProjectAdded, ProjectUpdated, ProjectWithdrawn)),
    "forecast": ("id", "forecast_id", (ForecastUpdated,)),
    "area": ("id", "area_id", (AreaUpdated,)),
    "delivery": ("id", "delivery_id", (DeliveryReported,)),
}
"""What the registry keeps: table, its key, the key in an event, the events that tell of it."""


def effects(records: Records) -> list[Line]:
    """The promises about effects."""
    lines = [_revisions(records, kind) for kind in KINDS]
    return [
        *lines, _verdicts(records), _matches(records), _own_views(records),
        _notifications(records), _figures(records),
    ]  # fmt: skip


def _revisions(records: Records, kind: str) -> Line:
    key, key_told, contracts = KINDS[kind]
    told: dict[str, list[int]] = defaultdict(list)
    for contract in contracts:
        for one in records.announced(contract):
            told[one.body[key_told]].append(one.body["revision"])
    kept = {row[key]: row["revision"] for row in records.rows("registry", kind)}
    found = [
        f"{kind} {id} stands at revision {kept.get(id)}, told were {sorted(told[id])}"
        for id in [*kept, *(id for id in told if id not in kept)]
        if sorted(told[id]) != list(range(1, (kept.get(id) or 0) + 1))
    ]
    counted = {"kept": len(kept), "told": sum(map(len, told.values()))}
    return line(f"each revision of a {kind} was told once, without a gap", counted, found)


def _verdicts(records: Records) -> Line:
    """What the door took is what was told: one revision for each event that was news."""
    found = []
    taken: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in records.rows("registry", "intake"):
        if row["verdict"] == "accepted" and row["code"] == "taken":
            taken[row["kind"], row["thing_id"]].append(row["revision"])
    for kind in ("project", "forecast", "area", "delivery"):
        for row in records.rows("registry", kind):
            revisions = sorted(taken.pop((kind, row["id"]), []))
            # a forecast is also told anew by what its project tells
            steps = set(range(1, row["revision"] + 1))
            holds = steps.issuperset(revisions) and revisions[:1] == [1]
            if len(set(revisions)) != len(revisions) or not holds:
                found.append(f"{kind} {row['id']}: taken as {revisions} of {row['revision']}")
            elif kind != "forecast" and len(revisions) != row["revision"]:
                found.append(f"{kind} {row['id']}: {revisions} taken, {row['revision']} told")
    found += [f"{kind} {id} was taken and is not kept" for kind, id in taken]
    counted = {"things": sum(len(records.rows("registry", kind)) for kind in KINDS
                             if kind != "organisation")}  # fmt: skip
    return line("each event that was taken made one revision", counted, found)


def by_match(told: Iterable[Told]) -> dict[str, list[Told]]:
    """Events of matches by match, in the order of revisions."""
    found: dict[str, list[Told]] = defaultdict(list)
    for one in told:
        found[one.body["match_id"]].append(one)
    for each in found.values():
        each.sort(key=lambda one: int(one.body["revision"]))
    return found


def _matches(records: Records) -> Line:
    told = by_match([*records.announced(MatchFound), *records.announced(MatchChanged)])
    past: dict[str, list[int]] = defaultdict(list)
    for row in records.rows("matcher", "match_past"):
        past[row["match_id"]].append(row["revision"])
    found = []
    kept = {row["id"]: row for row in records.rows("matcher", "match")}
    for id, row in kept.items():
        revisions = [one.body["revision"] for one in told.get(id, [])]
        ended_untold = not revisions and row["told_revision"] == 0 and row["standing"] == 0
        if revisions != sorted(past[id]):
            found.append(f"match {id}: told {revisions}, noted as told {sorted(past[id])}")
        elif not ended_untold and revisions[-1:] != [row["revision"]]:
            found.append(f"match {id}: stands at {row['revision']}, told {revisions}")
        elif row["told_revision"] != (revisions[-1] if revisions else 0):
            found.append(f"match {id}: told {revisions}, last told {row['told_revision']}")
        found += _first(id, told.get(id, []))
    found += [f"match {id} was told and is not kept" for id in told if id not in kept]
    counted = {"matches": len(kept), "told": sum(map(len, told.values()))}
    return line("each revision of a match that was worth telling was told once", counted, found)


def _first(id: str, told: list[Told]) -> Iterable[str]:
    for at, one in enumerate(told):
        is_new = at == 0 and one.body["state"] == "proposed" and one.body["route"] != "onsite"
        if (one.name == MatchFound.name) != is_new:
            yield f"match {id} revision {one.body['revision']} was told as {one.name}"


def _own_views(records: Records) -> Line:
    """Each side's own view of every telling; movements on the own site are told to nobody."""
    wanted: Counter[tuple[str, int, str, bool]] = Counter()
    for contract in (MatchFound, MatchChanged):
        for one in records.announced(contract):
            if one.body["route"] == "onsite":
                continue
            for side in {one.body[end]["organisation"] for end in ("surplus", "need")}:
                wanted[one.body["match_id"], one.body["revision"], side,
                       contract is MatchFound] += 1  # fmt: skip
    had: Counter[tuple[str, int, str, bool]] = Counter()
    for view in (OwnMatchFound, OwnMatchChanged):
        for one in records.announced(view):
            side = one.subject.split(".")[1]
            had[one.body["match_id"], one.body["revision"], side,
                view is OwnMatchFound] += 1  # fmt: skip
    found = [f"match {' '.join(map(str, key))}: {had[key]} views instead of {wanted[key]}"
             for key in {*wanted, *had} if had[key] != wanted[key]]  # fmt: skip
    counted = {"wanted": wanted.total(), "told": had.total()}
    return line("each side has one view of each telling of its match", counted, found)


def _notifications(records: Records) -> Line:
    rows = records.rows("notifier", "notification")
    keys = Counter(
        (row["subject_id"], row["subject_revision"], row["recipient"], row["channel"])
        for row in rows
    )
    found = [f"{' '.join(map(str, key))}: {count} times" for key, count in keys.items()
             if count > 1]  # fmt: skip
    sent: dict[str, list[Row]] = defaultdict(list)
    for one in records.announced(NotificationSent):
        sent[one.body["notification_id"]].append(one.body)
    for row in rows:
        told = [body["result"] for body in sent.pop(row["id"], [])]
        last = told[-1] if told else None
        if len(set(told)) != len(told) or last != row["result"]:
            found.append(f"notification {row['id']} is {row['result']}, told as {told}")
    found += [f"notification {id} was told and is not kept" for id in sent]
    counts = Counter(row["channel"] for row in rows)
    waiting = sum(row["result"] is None for row in rows)
    counted = {"notifications": len(rows), **counts, "waiting": waiting}
    return line("each notification went out under one id", counted, found)


def _figures(records: Records) -> Line:
    told: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for one in records.announced(IndicatorUpdated):
        body = one.body
        key = (one.region, body["scope"], body["scope_code"], body["indicator"], body["state"])
        told[key].append(body)
    found = []
    rows = records.rows("indicators", "figure")
    for row in rows:
        key = (row["region"], row["scope"], row["code"], row["indicator"], row["state"])
        bodies = sorted(told.pop(key, []), key=lambda body: int(body["revision"]))
        revisions = [body["revision"] for body in bodies]
        if revisions != list(range(1, row["revision"] + 1)):
            found.append(f"{' '.join(key)} stands at {row['revision']}, told were {revisions}")
        elif any(bodies[-1].get(name) != row[name]
                 for name in ("value", "numerator", "denominator")):  # fmt: skip
            found.append(f"{' '.join(key)} is not what was told last")
    found += [f"{' '.join(key)} was told and is not kept" for key in told]
    return line("each figure was told once a revision, without a gap", {"figures": len(rows)},
                found)  # fmt: skip
