"""What a service is, how one runs, and how events reach its handlers."""

from shared.service.card import (
    Answer,
    Answered,
    Batch,
    Door,
    Due,
    Knock,
    Later,
    NotOurs,
    Refused,
    Service,
    batch,
    durable_of,
    intake_durable,
    intake_stream,
)

__all__ = [
    "Answer",
    "Answered",
    "Batch",
    "Door",
    "Due",
    "Knock",
    "Later",
    "NotOurs",
    "Refused",
    "Service",
    "batch",
    "durable_of",
    "intake_durable",
    "intake_stream",
]
