"""Logs and metrics, set up once a process."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from prometheus_client import Counter, Gauge, Histogram

MAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")

events_applied = Counter("events_applied_total", "events applied by a handler", ["durable"])
inbox_duplicates = Counter("inbox_duplicates_total", "events known already", ["durable"])
event_failures = Counter("event_failures_total", "events whose handler failed", ["durable"])
dead_letters = Counter("dead_letters_total", "events given up", ["durable", "reason"])
dead_letters_open = Gauge("dead_letters_open", "dead letters neither replayed nor discarded")
outbox_pending = Gauge("outbox_pending", "announced events not yet published")
outbox_oldest = Gauge("outbox_oldest_age_seconds", "age of the oldest unpublished event")
published = Counter("events_published_total", "events published", ["stream"])
consumer_lag = Gauge("consumer_lag", "events waiting or unacknowledged", ["durable"])
work_seconds = Histogram("work_seconds", "one batch or due row, begun to committed", ["work"])
due_worked = Counter("due_worked_total", "due rows worked off", ["work"])
not_an_event = Counter("intake_not_an_event_total", "messages at the door that are no event")


def masked(_logger: Any, _name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mail addresses never reach a log."""
    for key, value in line.items():
        if isinstance(value, str) and "@" in value:
            line[key] = MAIL.sub("<mail>", value)
    return line


def set_up(*, service: str, level: str, as_json: bool) -> None:
    """Structured logs on standard error, one line an entry, with *service* bound."""
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if as_json
        # plain: the pretty one prints local values, keys among them
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    shape: list[Any] = [structlog.processors.format_exc_info] if as_json else []
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *shape,
            masked,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(level=logging.WARNING, format="%(name)s %(message)s", force=True)


def log() -> Any:
    """The logger, with what the wrapper bound."""
    return structlog.get_logger()
