"""What the matcher does when something happens: keep, settle, tell, decide, deliver."""

from services.matcher.domain import NotPossible
from services.matcher.handlers.deciding import Changed, decide, is_excluded
from services.matcher.handlers.delivering import NoSuchLoads, keep_deliveries, record, report
from services.matcher.handlers.expiring import look_at_calendar
from services.matcher.handlers.keep import heard, keep_areas, keep_forecasts
from services.matcher.handlers.settling import settle, settle_all, settled, sweep
from services.matcher.handlers.sides import NoSuchMatch, NotYours, may_see
from services.matcher.handlers.telling import as_seen, body_of, tell

__all__ = [
    "Changed",
    "NoSuchLoads",
    "NoSuchMatch",
    "NotPossible",
    "NotYours",
    "as_seen",
    "body_of",
    "decide",
    "heard",
    "is_excluded",
    "keep_areas",
    "keep_deliveries",
    "keep_forecasts",
    "look_at_calendar",
    "may_see",
    "record",
    "report",
    "settle",
    "settle_all",
    "settled",
    "sweep",
    "tell",
]
