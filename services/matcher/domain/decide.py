"""What becomes of a match when a side decides, and why it may not."""

from datetime import datetime
from typing import Final, Literal

from services.matcher.domain.values import (
    ACCEPTED,
    AGREED,
    DECLINED,
    EXCLUDES,
    PROPOSED,
    Match,
)

Decision = Literal["accept", "decline", "undo"]
Reason = Literal["quality", "timing", "distance", "papers", "price", "already_agreed", "other"]
UNDECIDED: Final = (PROPOSED, ACCEPTED)


class NotPossible(Exception):
    """A decision that the match does not allow; *code* is stable, the text names the remedy."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def decided(
    match: Match, side: str, decision: Decision, *, reason: str | None, now: datetime
) -> Match:
    """
    *match* after *side* (an organisation's token) decided; the same when it had said so already.

    Raises `NotPossible`.
    """
    if decision == "accept":
        return _accepted(match, side, now)
    if decision == "decline":
        return _declined(match, side, reason, now)
    return _undone(match, side, now)


def _accepted(match: Match, side: str, now: datetime) -> Match:
    if side in match.accepted and match.state in (ACCEPTED, AGREED):
        return match
    _must_wait(match)
    accepted = (*match.accepted, side)
    agreed = set(match.sides) <= set(accepted)
    return match._replace(
        revision=match.revision + 1,
        state=AGREED if agreed else ACCEPTED,
        accepted_by=",".join(accepted),
        change="agreed" if agreed else "accepted",
        changed_at=now,
    )


def _declined(match: Match, side: str, reason: str | None, now: datetime) -> Match:
    if match.state == DECLINED and match.declined_by == side:
        return match
    _must_wait(match)
    if reason is None:
        raise NotPossible("reason_missing", "say why: name a reason with the decline")
    return match._replace(
        revision=match.revision + 1,
        state=DECLINED,
        standing=EXCLUDES,
        declined_by=side,
        decline_reason=reason,
        change="declined",
        changed_at=now,
    )


def _undone(match: Match, side: str, now: datetime) -> Match:
    if side not in match.accepted:
        if match.state == PROPOSED:
            return match
        raise NotPossible("nothing_to_undo", f"{side} has not accepted this match")
    if match.state != ACCEPTED:
        raise NotPossible(
            "agreed_already", "both sides have accepted; agree with the other side instead"
        )
    return match._replace(
        revision=match.revision + 1,
        state=PROPOSED,
        accepted_by="",
        change="undone",
        changed_at=now,
        judged="",
    )


def _must_wait(match: Match) -> None:
    if match.route == "onsite":
        raise NotPossible("own_site", "a movement on the own site asks nobody")
    if match.state not in UNDECIDED:
        raise NotPossible(
            "decided_already", f"the match is {match.state}; look at it again, then decide"
        )
