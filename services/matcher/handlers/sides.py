"""Who may see a match, and for which of its sides somebody speaks."""

from services.matcher.domain import KnownNearMiss, Match
from shared.access import Asker


class NoSuchMatch(Exception):
    """There is no such match among those this asker may see."""


class NotYours(Exception):
    """Only the two sides decide, or the coordinator of the region for one of them: name it."""


def may_see(asker: Asker, match: Match) -> bool:
    """Whether *asker* sees *match*: one of its sides, its region's coordinator, the operator."""
    if asker.sees_all or asker.coordinates(match.region):
        return True
    return any(side in asker.organisations for side in match.sides)


def sees_as(asker: Asker, told: Match | KnownNearMiss) -> str | None:
    """The one side of *told* as which *asker* sees it; None: whole, as who may see both."""
    if asker.sees_all or asker.coordinates(told.region):
        return None
    mine = [side for side in told.sides if side in asker.organisations]
    return mine[0] if len(mine) < len(told.sides) else None


def side_of(asker: Asker, match: Match, organisation: str | None) -> str:
    """For which side of *match* the asker speaks; raises `NotYours`."""
    mine = [side for side in match.sides if asker.speaks_for(side)]
    may_act = asker.is_operator or asker.coordinates(match.region)
    if organisation is not None:
        if organisation in mine or (may_act and organisation in match.sides):
            return organisation
        raise NotYours
    if len(mine) == 1:
        return mine[0]
    if len(match.sides) == 1 and may_act:
        return match.sides[0]
    raise NotYours
