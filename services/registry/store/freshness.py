"""Whose owners are to be asked whether a forecast holds."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.domain import Asking
from shared.service.card import Due

calendar = Due("calendar", ("id",), size=1, lease_s=60)

_UNSURE = text(
    """
    SELECT id FROM (
        SELECT id, state FROM forecast WHERE asked_at IS NULL AND confirmed_at <= :silent
        UNION
        SELECT id, state FROM forecast
        WHERE asked_at IS NULL AND (state -> 'window') ->> 'first' <= :soon
          AND confirmed_at < CAST((state -> 'window') ->> 'first' AS date)
              - CAST(:before_days AS integer)
        UNION
        SELECT id, state FROM forecast
        WHERE asked_at IS NOT NULL AND lapsed < 2
          AND asked_at <= CAST(:now AS timestamptz) - (lapsed + 1) * CAST(:patience AS interval)
    ) AS unsure
    WHERE state ->> 'status' = 'offered' AND (state -> 'window') ->> 'last' >= :today
    ORDER BY id LIMIT :limit
    """
)
_LOOK_AGAIN = text(
    "UPDATE calendar SET due_at = :due, claimed_by = NULL, claimed_until = NULL, attempts = 0"
)


async def unsure(
    session: AsyncSession, asking: Asking, now: datetime, today: date, limit: int
) -> list[UUID]:
    """Up to *limit* offered forecasts whose owner may have to be asked, or missed an answer."""
    told = {
        "silent": now - asking.silence,
        "soon": (today + asking.before).isoformat(),
        "before_days": asking.before.days,
        "now": now,
        "patience": asking.patience,
        "today": today.isoformat(),
        "limit": limit,
    }
    return [row[0] for row in await session.execute(_UNSURE, told)]


async def look_again(session: AsyncSession, due: datetime) -> None:
    """Look at the calendar again at *due*."""
    await session.execute(_LOOK_AGAIN, {"due": due})
