"""Takes what a person decides of forecasts that may be about the same mass."""

from collections.abc import Mapping
from typing import Literal
from uuid import UUID

from services.registry import store
from services.registry.domain import Clashes, Denied, Thing, Unknown
from services.registry.handlers.alike import changed_pair, pair_of
from services.registry.handlers.freshness import held_forecasts
from services.registry.handlers.intake import tell
from shared.work import Work

Decision = Literal["link", "refuse", "unlink"]
_STATES: dict[Decision, str] = {"link": "linked", "refuse": "refused", "unlink": "suggested"}


async def decide(
    work: Work,
    *,
    decision: Decision,
    counts: UUID,
    duplicate: UUID,
    scope: store.Scope,
    actor: str,
) -> store.ListedPair:
    """
    What a person who sees both sides decides of a pair: to link them, so that *counts* counts for
    *duplicate*; that they are not the same mass; or to take such a decision back.

    A pair that was never suggested may be linked by who sees both. Raises `Unknown` where there is
    no such pair to see, `Denied` where they cannot be one mass, `Clashes` where one of them is
    linked otherwise.
    """
    pair = pair_of(counts, duplicate)
    register, forecasts = await held_forecasts(pair, work)
    known = {one.id: one for one in forecasts}
    if decision == "link" and await _may_be_named(work, pair, known, scope):
        await store.name(work.session, pair, work.now)
    before = await store.duplicate(work.session, scope, pair)
    if before is None:
        raise Unknown("duplicate_unknown", one=counts, other=duplicate)
    if decision == "link":
        _check_link(known[counts], known[duplicate])
    for one, other in (pair, pair[::-1]):
        linked = other if decision == "link" and other == counts else None
        if linked is not None or known[one].duplicate_of == other:
            register.link(known[one], linked)
    await store.keep_things(work.session, list(register.changed.values()), work.now)
    state = _STATES[decision]
    revision = await store.decide(work.session, pair, state=state, by=actor, now=work.now)
    work.note(
        actor,
        f"duplicate-{state}",
        f"forecast/{duplicate}",
        *{one.organisation for one in forecasts},
        counts=str(counts),
        person_told_in=sorted({one.region for one in forecasts}),
    )
    tell(register, work)
    decided = await store.duplicate(work.session, scope, pair)
    assert decided is not None
    if (decided.state, decided.counts) != (before.state, before.counts):
        now = {id: register.changed.get(id, one) for id, one in known.items()}
        work.announce(
            changed_pair(
                pair,
                revision,
                {id: (one.revision, one.state) for id, one in now.items()},
                work,
                change=_change(before.state, state),
                counts=decided.counts,
                decided_by=_person(actor),
            )
        )
    return decided


def _change(before: str, now: str) -> str:
    if now != "suggested":
        return now
    return "unlinked" if before == "linked" else "reopened"


def _person(actor: str) -> UUID | None:
    kind, _, id = actor.partition("/")
    try:
        return UUID(id) if kind == "person" else None
    except ValueError:  # a person of a token that the registry did not give
        return None


async def _may_be_named(
    work: Work, pair: store.Pair, known: Mapping[UUID, Thing], scope: store.Scope
) -> bool:
    """Whether somebody who sees both may say of a *pair* that nobody suggested that it is one."""
    for id in pair:
        if id not in known or await store.seen(work.session, "forecast", scope, id) is None:
            return False
    one, other = (known[id].state for id in pair)
    if pair[0] == pair[1] or any(one[name] != other[name] for name in ("direction", "sample")):
        raise Denied("duplicate_impossible", one=pair[0], other=pair[1])
    return True


def _check_link(counts: Thing, duplicate: Thing) -> None:
    """
    What counts must count itself, and a duplicate has one that counts: so no links form a ring.
    What counts for others may become a duplicate with them; who links it need not know of them.
    """
    if counts.duplicate_of not in (None, duplicate.id):
        raise Clashes("counts_nothing", forecast=counts.id)
    if duplicate.duplicate_of not in (None, counts.id):
        raise Clashes("linked_already", forecast=duplicate.id)
