"""What the registry does when a company's event is at the door: one verdict for each."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from services.registry import store
from services.registry.domain import (
    KIND_OF,
    Accepted,
    Kind,
    Letter,
    Mentions,
    Reason,
    Register,
    Rejected,
    Telling,
    Thing,
    Verdict,
    Waits,
    mentions_of,
    opened,
    spoken,
)
from services.registry.handlers.alike import suggest_duplicates
from shared.contracts import (
    AreaUpdated,
    DeliveryReported,
    Event,
    ForecastUpdated,
    ProjectAdded,
    ProjectUpdated,
    ProjectWithdrawn,
)
from shared.contracts.base import uuid7
from shared.contracts.intake import Canonical, Receipt, Refusal, notice_of
from shared.service.card import Answer, Answered, Knock, Later, NotOurs
from shared.vocabulary.shown import shown
from shared.work import Work

TOLD: Mapping[str, type[Event]] = {
    contract.event_name(): contract
    for contract in (
        ProjectAdded,
        ProjectUpdated,
        ProjectWithdrawn,
        ForecastUpdated,
        AreaUpdated,
        DeliveryReported,
    )
}
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 5.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What became of a knock: a receipt; or *later_s* while it waits; or *busy*, another work has it
    in hand; or none of these, when it was no message.
    """

    receipt: Receipt | None = None
    later_s: float | None = None
    busy: bool = False

    @property
    def answer(self) -> Answer:
        if self.later_s is not None:
            return Later(self.later_s)
        return NotOurs() if self.receipt is None else Answered()


@dataclass(slots=True)
class _Case:
    """A knock on its way to a verdict."""

    knock: Knock
    letter: Letter
    mentions: Mentions
    entry: store.Entry | None = None
    verdict: Verdict | None = None
    outcome: Outcome | None = None

    @property
    def key(self) -> store.Key:
        return self.knock.organisation, self.letter.source, self.letter.id

    @property
    def is_fresh(self) -> bool:
        """Whether it still lacks a verdict."""
        return self.outcome is None and self.entry is not None and self.entry.verdict is None


async def take_in(knocks: Sequence[Knock], work: Work, *, patience_s: float) -> Sequence[Answer]:
    """
    Answer *knocks* of the companies' streams.

    News that speaks of a project not known yet may have overtaken it: it waits up to *patience_s*
    seconds from its first knock.
    """
    outcomes = await judge(knocks, work, patience_s=patience_s)
    return [outcome.answer for outcome in outcomes]


async def judge(
    knocks: Sequence[Knock],
    work: Work,
    *,
    patience_s: float = 0.0,
    skip_busy: bool = False,
) -> list[Outcome]:
    """
    The outcome of each knock, in order; its receipt is announced with the work.

    What is said again word for word gets its receipt again and changes nothing. With *skip_busy* an
    event that another work has in hand is not waited for.
    """
    cases = [_open(knock) for knock in knocks]
    reporters = {case.knock.organisation for case in cases}
    known = await store.organisations_named(work.session, reporters)
    desk = _Desk(work, {token: each.region for token, each in known.items()})
    first = await _enter(cases, desk, skip_busy=skip_busy)

    fresh = [case for case in first.values() if case.is_fresh]
    register = await _known(fresh, work)
    _judge_in_order(fresh, register, work)
    await _settle_waiting(fresh, work, patience_s)

    await _record(fresh, register, desk)
    return [_outcome(case, first.get(case.key, case), desk) for case in cases]


async def try_out(knocks: Sequence[Knock], work: Work) -> list[Outcome]:
    """What `judge` would say, without any of it: the work takes it back."""
    letters, signals = len(work.letters), len(work.signals)
    trial = await work.session.begin_nested()
    outcomes = await judge(knocks, work)
    await trial.rollback()
    del work.letters[letters:], work.signals[signals:]
    return outcomes


@dataclass(frozen=True, slots=True)
class _Desk:
    """Where receipts are made out: the work, and the region of each reporter."""

    work: Work
    regions: Mapping[str, str]

    def receipt(self, entry: store.Entry, knock: Knock, *, id: UUID | None = None) -> Receipt:
        """Make out the receipt of *entry*, and announce it."""
        region = self.regions.get(entry.organisation, "-")
        made = receipt_of(entry, region, id=id, at=self.work.now)
        if knock.stream_seq is not None:
            made = made.model_copy(update={"stream_seq": knock.stream_seq})
        self.work.announce(made)
        self.work.signal("receipt", region, entry.organisation)
        return made


def _open(knock: Knock) -> _Case:
    letter = opened(knock.event_name, knock.headers, knock.body, knock.stream_seq)
    if letter.stray:
        return _Case(knock, letter, Mentions(), outcome=Outcome())
    return _Case(knock, letter, mentions_of(letter, knock.organisation))


async def _enter(cases: Sequence[_Case], desk: _Desk, *, skip_busy: bool) -> dict[store.Key, _Case]:
    """Enter the cases in the book; the first of each key, with its entry."""
    work = desk.work
    first: dict[store.Key, _Case] = {}
    for case in cases:
        if case.outcome is None:
            first.setdefault(case.key, case)
    if skip_busy:
        for key in await store.handled_now(work.session, list(first)):
            first[key].outcome = Outcome(busy=True)
    knocks = Counter(case.key for case in cases)
    entering = [
        _entering(case, knocks[case.key]) for case in first.values() if case.outcome is None
    ]
    for key, entry in (await store.enter(work.session, entering, work.now)).items():
        case = first[key]
        case.entry = entry
        if entry.digest != case.letter.digest:
            case.outcome = _reused(case, entry, desk)
    return first


def _entering(case: _Case, knocks: int) -> store.Entering:
    letter = case.letter
    return store.Entering(
        case.key, letter.digest, letter.about, case.mentions.about, case.knock.stream_seq, knocks
    )


async def _known(cases: Sequence[_Case], work: Work) -> Register:
    """What is known of everything that *cases* speak of, held until the work ends."""
    session = work.session
    if not cases:
        return Register({}, {})
    mentioned = [case.mentions for case in cases]
    await store.hold(session, {id for each in mentioned for id in each.held})

    wanted: dict[Kind, set[UUID]] = {kind: set() for kind in store.KINDS}
    retold: set[UUID] = set()
    for case in cases:
        told = case.mentions
        if told.about is not None and case.letter.event is not None:
            wanted[KIND_OF[case.letter.event]].add(told.about)
            if KIND_OF[case.letter.event] == "project":
                retold.add(told.about)
        for kind, id in told.named:
            wanted[kind].add(id)
    things: list[Thing] = []
    for kind in store.KINDS:
        things += await store.things(session, kind, wanted[kind])
    things += await store.forecasts_of(session, retold)

    reporters = {case.knock.organisation for case in cases}
    owners = {each.owner for each in mentioned if each.owner}
    tokens = reporters | owners | {thing.organisation for thing in things}
    contacts = {person for each in mentioned for person in each.contacts}
    return Register(
        organisations=await store.organisations_named(session, tokens),
        regions=await store.regions(session),
        mandates=await store.mandates_to(session, reporters),
        members=await store.members_among(session, contacts),
        things={thing.id: thing for thing in things},
    )


def _judge_in_order(cases: Iterable[_Case], register: Register, work: Work) -> None:
    """
    Judge each in the order it came; what came before the thing it speaks of, once more after it.
    """
    waiting = deque(cases)
    progress = True
    while waiting and progress:
        progress = False
        for _ in range(len(waiting)):
            case = waiting.popleft()
            case.verdict = register.judge(case.letter, case.knock.organisation, work.now)
            if isinstance(case.verdict, Waits):
                waiting.append(case)
            else:
                progress = True


async def _settle_waiting(cases: Sequence[_Case], work: Work, patience_s: float) -> None:
    """Who waits for something that was itself rejected, or has waited long enough, is rejected."""
    waiting = [case for case in cases if isinstance(case.verdict, Waits)]
    if not waiting:
        return
    missing = {case.verdict.missing for case in waiting if isinstance(case.verdict, Waits)}
    refused = await store.rejected_lately(work.session, missing)
    refused |= {
        case.mentions.about
        for case in cases
        if isinstance(case.verdict, Rejected) and case.mentions.about is not None
    }
    for case in waiting:
        if not isinstance(case.verdict, Waits) or case.entry is None:
            continue
        left_s = patience_s - (work.now - case.entry.first_seen).total_seconds()
        if left_s <= 0 or case.verdict.missing in refused:
            case.verdict = Rejected((case.verdict.reason,))
            continue
        pause_s = min(FIRST_PAUSE_S * 2.0 ** min(case.knock.deliveries - 1, 10), LONGEST_PAUSE_S)
        case.outcome = Outcome(later_s=min(pause_s, left_s + 0.05))


async def _record(cases: Sequence[_Case], register: Register, desk: _Desk) -> None:
    work = desk.work
    await store.keep_things(work.session, list(register.changed.values()), work.now)
    await suggest_duplicates(list(register.changed.values()), work)
    judged = [(case, _judged(case)) for case in cases if case.outcome is None]
    await store.keep_verdicts(work.session, [entry for _, entry in judged], work.now)

    tell(register, work)
    for case, entry in judged:
        case.entry = entry
        case.outcome = Outcome(desk.receipt(entry, case.knock, id=entry.receipt_id))


def tell(register: Register, work: Work) -> None:
    """Announce what *register* has to tell, in its order."""
    for telling in register.tellings:
        work.announce(_told(telling, work))
        _signal(telling, work)


def _judged(case: _Case) -> store.Entry:
    assert case.entry is not None
    judged = replace(case.entry, receipt_id=uuid7())
    match case.verdict:
        case Accepted(code, thing):
            return replace(
                judged,
                verdict="accepted",
                code=code,
                kind=thing.kind,
                thing_id=thing.id,
                revision=thing.revision,
            )
        case Rejected(reasons):
            return replace(
                judged,
                verdict="rejected",
                code=reasons[0].code if len(reasons) == 1 else "rejected",
                reasons=[refusal(reason, case.letter.language) for reason in reasons],
            )
        case _:
            raise AssertionError("a case that waits is not recorded")


def refusal(reason: Reason, language: str) -> dict[str, Any]:
    """A reason as a receipt tells it."""
    told = {"pointer": reason.pointer, "code": reason.code, "text": spoken(reason, language)}
    value = shown(reason.value)
    return told if value is None else told | {"value": value}


def receipt_of(
    entry: store.Entry, region: str, *, id: UUID | None = None, at: datetime | None = None
) -> Receipt:
    """The receipt of a judged *entry*, under a new event id unless *id* says which."""
    canonical = None
    if entry.thing_id is not None and entry.kind is not None:
        canonical = Canonical(kind=entry.kind, id=entry.thing_id, revision=entry.revision or 1)
    made = Receipt(
        region=region,
        organisation=entry.organisation,
        verdict="accepted" if entry.verdict == "accepted" else "rejected",
        about=entry.about,
        source=entry.source,
        event_id=entry.event_id,
        code=entry.code or "",
        canonical=canonical,
        reasons=tuple(Refusal(**each) for each in entry.reasons),
        stream_seq=entry.stream_seq,
        notice=notice_of(entry.about),
    )
    told = {"id": id, "at": at or entry.judged_at}
    return made.model_copy(update={name: value for name, value in told.items() if value})


def _reused(case: _Case, entry: store.Entry, desk: _Desk) -> Outcome:
    """The id was used for something else: the first event's verdict stands, this one is refused."""
    reason = Reason("event_id_reused", "/ce-id", case.letter.id)
    refused = replace(
        entry,
        about=case.letter.about,
        verdict="rejected",
        code=reason.code,
        kind=None,
        thing_id=None,
        reasons=[refusal(reason, case.letter.language)],
    )
    return Outcome(desk.receipt(refused, case.knock))


def _outcome(case: _Case, leading: _Case, desk: _Desk) -> Outcome:
    """What to answer: the verdict just given, or the one that stood already, told again."""
    if case.outcome is not None:
        return case.outcome
    entry = leading.entry
    if entry is None:
        return leading.outcome or Outcome()
    if case.letter.digest != entry.digest:
        return _reused(case, entry, desk)
    if entry.verdict is None:
        return Outcome(later_s=FIRST_PAUSE_S)
    if case.knock.deliveries > 1 and case.knock.stream_seq == entry.stream_seq is not None:
        # the very message came back: its receipt is in the outbox already
        return Outcome(receipt_of(entry, desk.regions.get(entry.organisation, "-")))
    return Outcome(desk.receipt(entry, case.knock))


def _told(telling: Telling, work: Work) -> Event:
    told = {**telling.thing.state, "revision": telling.thing.revision, "at": work.now}
    return TOLD[telling.event].model_validate(told)


def _signal(telling: Telling, work: Work) -> None:
    thing = telling.thing
    topic = {"forecast": "lot", "area": "area", "project": "project"}.get(thing.kind)
    if topic is not None:
        work.signal(
            topic, thing.region, thing.organisation, about=thing.id, revision=thing.revision
        )
