"""The notifier: who is who, what is told, and that whoever must be told of a match was."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from deploy.audit.records import Records, Row, Told, newest
from deploy.audit.report import Line, compared, line
from shared.contracts import (
    MatchChanged,
    MatchFound,
    OrganisationUpdated,
    ProjectAdded,
    ProjectUpdated,
)

READER = "notifier"
OUTCOMES = ("accepted", "agreed", "countered", "declined", "undone", "closed", "done")
"""What *change* says when somebody decided, or the last load was moved."""
ALARMS = ("forecast_below_agreed", "over_delivered", "window_over")


def notices(records: Records) -> list[Line]:
    """The promises about who is told what."""
    return [*_kept(records), _told(records), _entries(records)]


def _kept(records: Records) -> Iterable[Line]:
    organisations = newest(records.heard(READER, OrganisationUpdated), "organisation")
    yield compared(
        "the notifier knows organisations and members as told last",
        {token: (one.body["revision"], _members(one.body)) for token, one in organisations.items()},
        {row["token"]: (row["revision"], _kept_members(records, row["token"]))
         for row in records.rows(READER, "organisation")},
    )  # fmt: skip
    projects = newest(records.heard(READER, ProjectAdded, ProjectUpdated), "project_id")
    names = ("revision", "organisation", "reporter", "title")
    yield compared(
        "the notifier knows projects as told last",
        {id: [one.body[name] for name in names] for id, one in projects.items()},
        {row["id"]: [row[name] for name in names] for row in records.rows(READER, "project")},
    )
    matches = newest(records.heard(READER, MatchFound, MatchChanged), "match_id")
    yield compared(
        "the notifier knows matches as told last",
        {id: (one.body["revision"], one.body["state"]) for id, one in matches.items()},
        {row["id"]: (row["revision"], row["told"]["state"])
         for row in records.rows(READER, "match")},
    )  # fmt: skip


Member = tuple[str, list[str], list[str]]
"""A person, the roles, and the regions coordinated."""


def _members(body: Row) -> list[Member]:
    is_active = body.get("status", "active") == "active"
    found = []
    for one in body["members"]:
        coordinates = one.get("regions") or [body["region"]]
        regions = coordinates if "regional_coordinator" in one["roles"] else []
        found.append((one["person"], sorted(one["roles"]) if is_active else [], sorted(regions)))
    return sorted(found)


def _kept_members(records: Records, token: str) -> list[Member]:
    return sorted(
        (row["person"], sorted(row["roles"]), sorted(row["regions"]))
        for row in records.rows(READER, "member")
        if row["organisation"] == token
    )


def tellings(records: Records) -> list[Told]:
    """The revisions of matches that somebody is told of, as they were announced."""
    heard = records.heard(READER, MatchFound, MatchChanged)
    return [one for one in heard if _sides_told(one)]


def _sides_told(one: Told) -> list[Row]:
    body = one.body
    sides = [body["surplus"], body["need"]]
    if body["route"] == "onsite":
        return []
    fell = body["state"] in ("withdrawn", "expired") and body["accepted_by"]
    if one.name == MatchFound.name or body["change"] in (*OUTCOMES, *ALARMS) or fell:
        return sides
    return [side for side in sides if side.get("organisation") in body["asks"]]


def _told(records: Records) -> Line:
    """Each telling is on the desk of those in charge, and nobody was told of what is none."""
    had: dict[tuple[str, int], set[str]] = defaultdict(set)
    for row in records.rows(READER, "notification"):
        if row["subject_kind"] == "match":
            if row["channel"] == "desk":
                had[row["subject_id"], row["subject_revision"]].add(row["recipient"])
            else:
                had[row["subject_id"], row["subject_revision"]].add("")
    announced = {(one.body["match_id"], one.body["revision"]): one for one in tellings(records)}
    every = {(one.body["match_id"], one.body["revision"]): one
             for one in records.heard(READER, MatchFound, MatchChanged)}  # fmt: skip
    members = records.rows(READER, "member")
    found = []
    wanted = 0
    news = _news(records)
    for key, one in announced.items():
        must = _must_know(one, members) if one.at > news else set()
        wanted += len(must)
        found += [f"match {key[0]} revision {key[1]}: {person} was not told"
                  for person in sorted(must - had[key])]  # fmt: skip
    # a webhook hears every revision; a person only of what is worth telling
    found += [f"match {key[0]} revision {key[1]} was told to {', '.join(sorted(persons))}"
              for key, persons in had.items()
              if key not in (announced if persons - {""} else every)]  # fmt: skip
    counted = {"tellings": len(announced), "recipients": wanted,
               "told": sum(len(persons - {""}) for persons in had.values())}  # fmt: skip
    return line("whoever is in charge was told, and of nothing else", counted, found)


def _news(records: Records) -> datetime:
    """Before this moment, what comes late is no news any more; a day of margin."""
    days = vars(records[READER].service.settings)["notifier_news_days"]
    heard = [datetime.fromisoformat(row["heard_at"]) for row in records[READER].inbox]
    latest = max(heard, default=datetime.fromisoformat("1970-01-01T00:00:00+00:00"))
    return latest - timedelta(days=max(0.0, days - 1))


def _must_know(one: Told, members: Iterable[Row]) -> set[str]:
    """Contacts of the sides told, else the coordinators who stood there then; the region's too."""
    found: set[str] = set()
    then = [row for row in members if datetime.fromisoformat(row["since"]) <= one.at]
    for side in _sides_told(one):
        if side.get("contacts"):
            found |= set(side["contacts"])
        else:
            found |= {row["person"] for row in then if "coordinator" in row["roles"]
                      and row["organisation"] == side.get("organisation")}  # fmt: skip
    return found | {row["person"] for row in then if one.region in row["regions"]
                    and "regional_coordinator" in row["roles"]}  # fmt: skip


def _entries(records: Records) -> Line:
    """Who was told of a match finds it in the inbox once, at the revision told last."""
    wanted: dict[tuple[str, str], int] = {}
    for row in records.rows(READER, "notification"):
        if row["channel"] == "desk" and row["subject_kind"] == "match":
            key = (row["recipient"], row["subject_id"])
            wanted[key] = max(row["subject_revision"], wanted.get(key, 0))
    kept = {(row["person"], row["match_id"]): row["told_revision"]
            for row in records.rows(READER, "inbox_entry")}  # fmt: skip
    counted = {"entries": len(records.rows(READER, "inbox_entry"))}
    return compared("each inbox holds each match once, as it was told last", wanted, kept, counted)
