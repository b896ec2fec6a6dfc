"""What the matcher does when something happens: keep, settle, tell, decide."""

from services.matcher.handlers.deciding import (
    Changed,
    NoSuchMatch,
    NotPossible,
    NotYours,
    decide,
    is_excluded,
    may_see,
)
from services.matcher.handlers.keep import heard, keep_areas, keep_forecasts
from services.matcher.handlers.settling import settle, settle_all, settled, sweep
from services.matcher.handlers.telling import areas_between, as_seen, body_of, tell

__all__ = [
    "Changed",
    "NoSuchMatch",
    "NotPossible",
    "NotYours",
    "areas_between",
    "as_seen",
    "body_of",
    "decide",
    "heard",
    "is_excluded",
    "keep_areas",
    "keep_forecasts",
    "may_see",
    "settle",
    "settle_all",
    "settled",
    "sweep",
    "tell",
]
