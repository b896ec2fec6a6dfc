"""What may be the same mass told twice: listed for those who may see both sides."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from services.registry import store
from services.registry.api.answers import Limit, scope_of
from shared.http import Asking, Reading

router = APIRouter(tags=["duplicates"])
_SHOWN = ("forecast_id", "project_id", "region", "organisation", "reporter", "external_id",
          "direction", "material", "status", "quantity", "window", "place", "source")  # fmt: skip


@router.get("/duplicates")
async def duplicates(
    asker: Asking,
    session: Reading,
    state: Literal["suggested", "linked", "refused"] | None = "suggested",
    region: Annotated[str | None, Query(max_length=16)] = None,
    limit: Limit = 100,
) -> dict[str, Any]:
    """
    Pairs of forecasts that may be about the same mass, the most alike first.

    Of each pair the asker may see both sides, and owns, reports or coordinates one.
    """
    found = await store.duplicates(session, scope_of(asker), state=state, region=region,
                                   limit=limit)  # fmt: skip
    return {"items": [_pair(each) for each in found], "as_of": datetime.now(UTC).isoformat()}


def _pair(each: store.ListedPair) -> dict[str, Any]:
    return {
        "forecasts": [_forecast(each.one), _forecast(each.other)],
        "score": each.score,
        "reasons": each.reasons,
        "state": each.state,
        "suggested_at": each.suggested_at.isoformat(),
        "decided_by": each.decided_by,
        "decided_at": each.decided_at.isoformat() if each.decided_at else None,
        "counts": str(each.counts) if each.counts else None,
    }


def _forecast(state: Any) -> dict[str, Any]:
    return {name: state[name] for name in _SHOWN if name in state}
