"""What the notifier announces."""

from typing import ClassVar, Literal
from uuid import UUID

from shared.contracts.base import Event


class NotificationSent(Event):
    """A notification left on a channel, under one id; its recipient is an id, never an address."""

    name: ClassVar[str] = "notifier.notification-sent.v1"

    notification_id: UUID
    channel: Literal["desk", "mail", "webhook"]
    recipient: str
    subject_kind: str
    subject_id: UUID
    subject_revision: int
    result: Literal["sent", "gave_up"] = "sent"
    attempts: int = 1
