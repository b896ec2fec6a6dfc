"""What the matcher does when something happens: keep, settle, tell, decide, deliver, plan."""

from services.matcher.domain import NotPossible
from services.matcher.handlers.deciding import Changed, decide, is_excluded
from services.matcher.handlers.delivering import NoSuchLoads, keep_deliveries, record, report
from services.matcher.handlers.expiring import look_at_calendar
from services.matcher.handlers.keep import heard, keep_areas, keep_forecasts
from services.matcher.handlers.nearing import near, near_as_seen, near_body, openings_of
from services.matcher.handlers.planning import TooMany, plan
from services.matcher.handlers.roads import ask_roads, known_roads
from services.matcher.handlers.settling import keep_and_settle, settle, settle_all, settled, sweep
from services.matcher.handlers.sides import NoSuchMatch, NotYours, may_see, sees_as
from services.matcher.handlers.supposing import ProjectChange, Supposed, of_sweeps, suppose
from services.matcher.handlers.telling import areas_between, as_seen, body_of, tell

__all__ = [
    "Changed",
    "NoSuchLoads",
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
    "keep_deliveries",
    "keep_forecasts",
    "known_roads",
    "look_at_calendar",
    "may_see",
    "near",
    "near_as_seen",
    "near_body",
    "of_sweeps",
    "openings_of",
    "plan",
    "record",
    "report",
    "sees_as",
    "settle",
    "settle_all",
    "settled",
    "suppose",
    "sweep",
    "tell",
]
