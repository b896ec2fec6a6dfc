"""What the answers look like, for the OpenAPI document: nothing is checked or copied by them."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from services.notifier.domain.matches import Tab
from shared.contracts.matcher import Climate, MatchState, Remedy, Value
from shared.contracts.parts import Tonnes, Window
from shared.openapi import Answer, left_out, refusals


class SeenEnd(Answer):
    """One end of a match or near miss, as the reader may see it."""

    material: str
    region: str
    municipality: str
    """Its code."""
    organisation: str | None = left_out()
    """Left out while the reader may not know whose it is."""
    project_id: UUID = left_out()


class Entry(Answer):
    """A match on a person's desk."""

    id: UUID
    """Of the entry."""
    match_id: UUID
    tab: Tab
    unread: bool
    why: str
    """Why this person was told."""
    told_at: datetime
    told_revision: int
    """The revision of the match at which the person was told."""
    changed_at: datetime
    revision: int
    """The revision of the match as it is shown here."""
    state: MatchState
    change: str
    """One word for what moved at this revision."""
    region: str
    """The surplus's."""
    asks_you: bool
    """It is the move of an organisation of the reader's."""
    accepted_by_you: bool
    surplus: SeenEnd
    need: SeenEnd
    material: str
    tonnes: Tonnes
    window: Window
    """The days on which it can move, both included."""
    distance_km: float
    value: Value
    climate: Climate
    sample: bool


class TabCounts(Answer):
    """How many entries lie under each tab."""

    decide: int
    waiting: int
    moving: int
    told: int
    closed: int


class InboxCounts(Answer):
    tabs: TabCounts
    unread: int
    unread_by_tab: TabCounts
    as_of: datetime | None
    """When the newest news came; null before there were any."""


class WasRead(Answer):
    id: UUID
    unread: bool


class Notice(Answer):
    """A near miss on a person's desk, in the reader's language."""

    id: UUID
    near_miss_id: UUID
    revision: int
    unread: bool
    why: str
    """Why this person was told."""
    told_at: datetime
    region: str
    """The surplus's."""
    title: str
    text: str
    """What would help."""
    remedies: list[Remedy]
    material: str
    tonnes: Tonnes
    value: Value
    surplus: SeenEnd
    need: SeenEnd
    sample: bool


class DuplicateNotice(Answer):
    """One's own forecast that may be told twice, in the reader's language; never the other."""

    id: UUID
    duplicate_id: UUID
    change: Literal["suggested", "linked", "unlinked", "reopened"]
    """What became of the pair last."""
    unread: bool
    why: str
    """Why this person was told."""
    told_at: datetime
    region: str
    title: str
    text: str
    """What is to be said of it."""
    material: str
    sample: bool


class ToldWebhook(Answer):
    """Where an organisation is told, and of what: an empty list of codes is any."""

    id: UUID
    organisation: str
    url: str
    events: list[str]
    whose: list[Literal["own", "others"]]
    regions: list[str]
    materials: list[str]
    municipalities: list[str]
    directions: list[Literal["surplus", "need"]]
    projects: list[UUID]
    status: Literal["active", "disabled"]
    reason: str | None
    """Why it was disabled."""
    failures: int
    """How many posts in a row have failed."""
    resting_until: datetime | None
    """When it is tried again after failures."""
    created_at: datetime


class MadeWebhook(ToldWebhook):
    """The new webhook, with what signs its posts."""

    secret: str
    """Shown here and never again."""


class Posting(Answer):
    """One post to a webhook."""

    id: UUID
    """The `webhook-id` that it bears."""
    event: str
    kind: str
    """What it is about."""
    subject_id: UUID
    match_id: UUID | None
    """The subject, where it is a match."""
    revision: int
    created_at: datetime
    result: str
    """`waiting` until it is known."""
    tries: int
    status: int | None
    """What the last try was answered with, by HTTP."""
    error: str | None
    sent_at: datetime | None
    next_at: datetime | None
    """When it is tried again."""


class Queued(Answer):
    id: UUID
    """The post's, as the log names it."""
    queued: bool


# -- refusals

NO_ENTRY = refusals((404, "not_found", "there is no such entry of yours"))
NO_WEBHOOK = (404, "not_found", "there is no such webhook of yours")
OF_WEBHOOK = refusals(NO_WEBHOOK)
WRONG_WEBHOOK = (
    (422, "url_refused", "the reason says why nothing is posted there"),
    (422, "material_unknown", "use one of the materials"),
)
ADDING = refusals(*WRONG_WEBHOOK, (409, "too_many_webhooks", "remove one first"))
CHANGING = refusals(NO_WEBHOOK, *WRONG_WEBHOOK)
POSTING = refusals(NO_WEBHOOK, (409, "webhook_disabled", "enable the webhook first: status active"))
POSTING_AGAIN = refusals(
    (404, "not_found", "there is no such webhook of yours, or no such post to it"),
    (409, "webhook_disabled", "enable the webhook first: status active"),
)
