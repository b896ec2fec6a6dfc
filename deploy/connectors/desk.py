"""Where a connector hands in what it read: once each, its receipt awaited before it moves on."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import structlog

from deploy.connectors.cursor import Cursor, Told
from shared.client import NotSent, Outgoing, RowError, Sender, Verdict
from shared.client.outgoing import event_id
from shared.client.texts import spoken
from shared.contracts.base import now
from shared.contracts.intake import (
    Handed,
    HandedProject,
    HandedProjectUpdate,
    HandedProjectWithdrawal,
    Refusal,
)

AT_ONCE: Final = 500
log = structlog.get_logger()


class Unheard(NotSent):
    """No receipt came in time; nothing is moved on, and the same is told again."""


@dataclass(frozen=True, slots=True)
class News:
    """
    The state of one thing as its source has it; *at* is the source's own time of it.

    With *again* it is told anew although the same was refused before.
    """

    event: Handed
    at: datetime | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class Unread:
    """A thing of the source that cannot be told: each reason with its field, and what was said."""

    external_id: str
    reasons: tuple[Refusal, ...]
    said: str


@dataclass(slots=True)
class Desk:
    """
    Hands in for one connector. Without a *sender* it is a dry run: all is counted, nothing sent.

    A thing is noted as on its way before it is sent, and as told when its receipt is there. What
    was on its way when the process died is sent again under the same id, or, when the source says
    something else by then, followed by that.
    """

    organisation: str
    source: str
    cursor: Cursor
    sender: Sender | None
    counts: Counter[str] = field(default_factory=Counter)
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def tell(self, news: Sequence[News]) -> dict[str, Verdict]:
        """
        The verdict on each thing by external id: of several news of one thing, on the last.

        What was told before and has not changed gets the verdict it got. Raises `NotSent`, and
        `Unheard` when a receipt is missing.
        """
        verdicts: dict[str, Verdict] = {}
        last = {one.event.external_id: one for one in news}
        async with self._one_at_a_time:
            waiting = list(last.values())
            for at in range(0, len(waiting), AT_ONCE):
                verdicts |= await self._tell(waiting[at : at + AT_ONCE])
        return verdicts

    async def _tell(self, news: Sequence[News]) -> dict[str, Verdict]:
        known = self.cursor.told(one.event.external_id for one in news)
        verdicts: dict[str, Verdict] = {}
        sending: list[tuple[News, Told]] = []
        mended: list[str] = []
        for one in news:
            before = known.get(one.event.external_id)
            if before is None and isinstance(one.event, HandedProjectWithdrawal):
                verdicts[one.event.external_id] = Verdict("accepted", "never_told")
                continue
            told = _after(before, one)
            if told.verdict is None:
                sending.append((one, told))
            else:
                self.counts["same"] += 1
                verdicts[told.external_id] = _said_before(told)
                if told.verdict != "rejected":
                    mended.append(told.external_id)
        if self.sender is None:
            for one, told in sending:
                log.info("would_tell", name=_named(one, told).event_name(), id=told.external_id)
                self.counts["would_tell"] += 1
                verdicts[told.external_id] = Verdict("unheard", "dry_run")
            return verdicts
        self.cursor.note([told for _, told in sending])
        self.cursor.mend(mended)
        return verdicts | await self._send(self.sender, sending)

    async def _send(self, sender: Sender, sending: list[tuple[News, Told]]) -> dict[str, Verdict]:
        outgoing = {
            told.external_id: Outgoing(
                self.organisation,
                event := _named(one, told),
                self.source,
                event_id(f"{self.cursor.lineage}/{told.sequence}", event),
                at=now() if told.returned else one.at or now(),
            )
            for one, told in sending
        }
        outcome = await sender.send(outgoing.values())
        verdicts: dict[str, Verdict] = {}
        heard: list[Told] = []
        for _, told in sending:
            verdict = outcome.verdicts[outgoing[told.external_id].key]
            if verdict.verdict == "unheard" or _not_judged(verdict):
                continue
            verdicts[told.external_id] = verdict
            heard.append(replace(told, verdict=verdict.verdict, code=verdict.code))
            self.counts[verdict.verdict] += 1
            self.counts[verdict.code] += verdict.verdict == "accepted"
            if verdict.verdict == "rejected":
                self.refuse(Unread(told.external_id, verdict.reasons, told.body))
        self.cursor.note(heard)
        self.cursor.mend(one.external_id for one in heard if one.verdict != "rejected")
        if len(heard) < len(sending):
            raise Unheard(f"{len(sending) - len(heard)} of {len(sending)} events have no receipt")
        return verdicts

    def refuse(self, unread: Unread) -> None:
        """Keep and log why a thing is not at the registry; nothing is lost of what was said."""
        reasons = [one.model_dump(mode="json", exclude_none=True) for one in unread.reasons]
        log.warning("thing_refused", id=unread.external_id, reasons=reasons)
        self.counts["refused"] += 1
        if self.sender is not None:
            self.cursor.refuse(unread.external_id, reasons, unread.said)


def _after(before: Told | None, one: News) -> Told:
    """What is told of a thing next; with a verdict where it was told already."""
    withdrawal = isinstance(one.event, HandedProjectWithdrawal)
    body = one.event.body().decode()
    digest = hashlib.sha256(f"{one.event.event_name()}\n{body}".encode()).hexdigest()
    if before is None:
        return Told(one.event.external_id, 1, digest, body, withdrawn=withdrawal)
    same = before.digest == digest and before.withdrawn == withdrawal
    if same and not (one.again and before.verdict == "rejected"):
        return replace(before, missed=0)
    returned = before.withdrawn and not withdrawal
    if returned:
        # the door would take the version it heard last for old news
        body = one.event.model_copy(update={"external_revision": None}).body().decode()
    return Told(
        one.event.external_id, before.sequence + 1, digest, body,
        withdrawn=withdrawal, returned=returned,
    )  # fmt: skip


def _named(one: News, told: Told) -> Handed:
    """What is sent; a project is added the first time, and updated after it."""
    contract = type(one.event)
    if contract is HandedProject and told.sequence > 1:
        contract = HandedProjectUpdate
    return contract.model_validate_json(told.body)


def _said_before(told: Told) -> Verdict:
    if told.verdict == "rejected":
        return Verdict("rejected", told.code or "rejected")
    return Verdict("accepted", "unchanged")


def _not_judged(verdict: Verdict) -> bool:
    """The door itself turned the sending away, and no event of it was read."""
    return verdict.verdict == "rejected" and verdict.code.startswith("http_")


def told_in(reason: Mapping[str, Any], language: str) -> str:
    """The text of a reason that was kept, in *language* where its code is known in it."""
    field, value = str(reason["pointer"]), reason.get("value")
    said = "" if value is None else str(value)
    return spoken(RowError(0, field, said, reason["code"], reason["text"]), language)


def refusal(pointer: str, code: str, text: str, value: Any = None) -> Refusal:
    """One reason why a thing of the source cannot be told."""
    return Refusal(pointer=pointer, code=code, text=text, value=value)
