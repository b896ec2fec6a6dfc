"""What the matcher does when something happens: keep, settle, tell, decide, plan."""

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
from services.matcher.handlers.planning import TooMany, plan
from services.matcher.handlers.roads import ask_roads, known_roads
from services.matcher.handlers.settling import keep_and_settle, settle, settle_all, settled, sweep
from services.matcher.handlers.supposing import ProjectChange, Supposed, of_sweeps, suppose
from services.matcher.handlers.telling import areas_between, as_seen, body_of, tell

__all__ = [
    "Changed",
    "NoSuchMatch",
    "NotPossible",
    "NotYours",
    "ProjectChange",
    "Supposed",
    "TooMany",
    "areas_between",
    "as_seen",
    "ask_roads",
    "body_of",
    "decide",
    "heard",
    "is_excluded",
    "keep_and_settle",
    "keep_areas",
    "keep_forecasts",
    "known_roads",
    "may_see",
    "of_sweeps",
    "plan",
    "settle",
    "settle_all",
    "settled",
    "suppose",
    "sweep",
    "tell",
]
