"""Sending and what came of it: projects first, then forecasts, each with its verdict."""

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Literal, Self

from shared.client.outgoing import PROJECT_NAMES, Outgoing
from shared.contracts.intake import HandedForecast, Refusal
from shared.vocabulary.errors import Refused
from shared.vocabulary.units import to_tonnes

Progress = Callable[[int, int], None]
"""Told after each answer: how many are answered, of how many."""

LAST_NAMES: Final = ("delivery-reported", "project-withdrawn")


class NotSent(Exception):
    """The door cannot be used, and no event of this sending can be."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What the door said of one event.

    `accepted` with *code* taken, unchanged or superseded; `rejected` with every reason; `known`:
    this id was handed in before, and its receipt cannot be asked; `unheard`: no receipt came in
    time, and the event waits at the door (*code* `awaited`) or did not reach it (`not_sent`).
    """

    verdict: Literal["accepted", "rejected", "known", "unheard"]
    code: str
    reasons: tuple[Refusal, ...] = ()
    canonical: Mapping[str, Any] | None = None


Told = Callable[[Outgoing, Verdict], None]


@dataclass(slots=True)
class Outcome:
    """
    What came of a sending, by event.

    *accepted* counts all that were accepted, *unchanged* and *superseded* those among them that
    were no news. *tonnes* by (direction, material), of the accepted forecasts now in force.
    """

    accepted: int = 0
    rejected: int = 0
    unchanged: int = 0
    superseded: int = 0
    known: int = 0
    no_receipt: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[Outgoing, Verdict]] = field(default_factory=list)
    unheard: list[Outgoing] = field(default_factory=list)
    tonnes: dict[tuple[str, str], float] = field(default_factory=dict)
    verdicts: dict[tuple[str, str], Verdict] = field(default_factory=dict)

    def enter(self, event: Outgoing, verdict: Verdict) -> None:
        """Count *verdict* on *event*."""
        self.verdicts[event.key] = verdict
        match verdict.verdict:
            case "accepted":
                self.accepted += 1
                self.unchanged += verdict.code == "unchanged"
                self.superseded += verdict.code == "superseded"
                if verdict.code != "superseded":
                    self._weigh(event)
            case "rejected":
                self.rejected += 1
                self.refused.append((event, verdict))
                self.reasons.update(reason.code for reason in verdict.reasons)
            case "known":
                self.known += 1
            case _:
                self.no_receipt += 1
                self.unheard.append(event)

    def add(self, other: "Outcome") -> None:
        """Count what *other* counted too."""
        for name in ("accepted", "rejected", "unchanged", "superseded", "known", "no_receipt"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.reasons.update(other.reasons)
        self.refused += other.refused
        self.unheard += other.unheard
        for key, tonnes in other.tonnes.items():
            self.tonnes[key] = self.tonnes.get(key, 0.0) + tonnes
        self.verdicts |= other.verdicts

    def _weigh(self, event: Outgoing) -> None:
        told = event.event
        if isinstance(told, HandedForecast):
            try:
                tonnes = to_tonnes(told.quantity, told.unit, told.material).likely
            except Refused:
                return
            key = (told.direction, told.material)
            self.tonnes[key] = self.tonnes.get(key, 0.0) + tonnes


class Sender(ABC):
    """One organisation's way through the door. Used as a context: `async with … as sender`."""

    organisation: str

    async def send(self, events: Iterable[Outgoing], progress: Progress | None = None) -> Outcome:
        """
        Hand in *events* and await their verdicts.

        Projects and areas go first; then forecasts, those of a rejected project not at all; then
        deliveries and withdrawals. An event that is sent again in one sending is sent after the
        one before it. Raises `NotSent` when the door cannot be used.
        """
        told = list(events)
        foreign = {event.organisation for event in told} - {self.organisation}
        if foreign:
            raise NotSent(f"{self.organisation} cannot hand in for {', '.join(sorted(foreign))}")
        outcome = Outcome()
        total = len({event.key for event in told})

        def enter(event: Outgoing, verdict: Verdict) -> None:
            outcome.enter(event, verdict)
            if progress is not None:
                progress(len(outcome.verdicts), total)

        first = [event for event in told if event.name in PROJECT_NAMES]
        last = [event for event in told if event.name in LAST_NAMES]
        await self.hand_in(first, enter)
        turned_away = _turned_away(first, outcome)
        standing: list[Outgoing] = []
        for event in told:
            if event.name in (*PROJECT_NAMES, *LAST_NAMES):
                continue
            if event.project in turned_away:
                enter(event, without_project(event))
            else:
                standing.append(event)
        await self.hand_in(standing, enter)
        await self.hand_in(last, enter)
        return outcome

    @abstractmethod
    async def hand_in(self, events: Sequence[Outgoing], told: Told) -> None:
        """Hand in *events* and tell each one's verdict to *told*, once each."""

    @abstractmethod
    async def __aenter__(self) -> Self: ...

    @abstractmethod
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


async def send_all(
    events: Iterable[Outgoing],
    senders: Mapping[str, Sender],
    progress: Progress | None = None,
) -> Outcome:
    """
    Hand in *events* of several organisations, each through its own sender, all at a time.

    Raises `NotSent`, before anything is sent, for an organisation that has no sender, and when one
    door cannot be used: the others are then stopped too.
    """
    by_organisation: dict[str, list[Outgoing]] = {}
    for event in events:
        by_organisation.setdefault(event.organisation, []).append(event)
    missing = sorted(set(by_organisation) - set(senders))
    if missing:
        raise NotSent(f"no credentials of {', '.join(missing)}")
    total = sum(len(each) for each in by_organisation.values())
    answered = dict.fromkeys(by_organisation, 0)

    def progress_of(organisation: str) -> Progress:
        def told(done: int, _: int) -> None:
            answered[organisation] = done
            if progress is not None:
                progress(sum(answered.values()), total)

        return told

    outcome = Outcome()
    try:
        async with asyncio.TaskGroup() as group:
            sendings = [
                group.create_task(senders[token].send(each, progress_of(token)))
                for token, each in by_organisation.items()
            ]
    except* NotSent as errors:
        raise errors.exceptions[0] from None
    for sending in sendings:
        outcome.add(sending.result())
    return outcome


def verdict_of(receipt: Mapping[str, Any]) -> Verdict:
    """The verdict that a receipt tells, read from its JSON."""
    reasons = tuple(Refusal.model_validate(each) for each in receipt.get("reasons") or ())
    return Verdict(
        "accepted" if receipt["verdict"] == "accepted" else "rejected",
        str(receipt.get("code", "")),
        reasons,
        receipt.get("canonical"),
    )


def refusal(code: str, text: str, *, pointer: str = "", value: Any = None) -> Verdict:
    """A rejection that was made here, before the door."""
    return Verdict("rejected", code, (Refusal(pointer=pointer, code=code, text=text, value=value),))


def _turned_away(projects: Sequence[Outgoing], outcome: Outcome) -> set[str | None]:
    accepted: set[str | None] = set()
    rejected: set[str | None] = set()
    for event in projects:
        if event.name == "area-updated":
            continue
        verdict = outcome.verdicts[event.key].verdict
        (rejected if verdict == "rejected" else accepted).add(event.event.external_id)
    return rejected - accepted


def without_project(event: Outgoing) -> Verdict:
    """The rejection of *event*, whose project was rejected before it."""
    return refusal(
        "project_rejected",
        f"Its project {event.project!r} was rejected. Mend the project, then send both again.",
        pointer="/project",
        value=event.project,
    )
