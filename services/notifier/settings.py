"""What an operator may turn in the notifier."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal

from pydantic import Field

from shared.settings import SharedSettings

MINUTE, HOUR = 60.0, 3600.0


class Settings(SharedSettings):
    """The notifier's own settings; without `NOTIFIER_SMTP_HOST` no mail is written."""

    notifier_portal_url: str = Field("http://127.0.0.1:8100", description="where links lead")
    notifier_news_days: float = Field(7, gt=0, description="an older event is told to nobody")
    notifier_late_member_grace_s: float = Field(
        300, ge=0, description="who joined later than this after a match gets no mail of it"
    )

    notifier_near_worth_eur: int = Field(
        2000, ge=0, description="near misses worth less are told to nobody"
    )
    notifier_digest_after_s: float = Field(
        4 * HOUR, ge=0, description="near misses are mailed together, this long after the first"
    )
    notifier_digest_every_s: float = Field(24 * HOUR, ge=0, description="at most so often")

    notifier_smtp_host: str | None = Field(None, description="the mail server; none: no mail")
    notifier_smtp_port: int = Field(25, ge=1, le=65535)
    notifier_smtp_security: Literal["none", "starttls", "tls"] = "none"
    notifier_smtp_user: str | None = None
    notifier_smtp_password_file: Path | None = None
    notifier_smtp_timeout_s: float = Field(30, gt=0, le=50)
    notifier_mail_from: str = Field("massakoppi@localhost", description="the sender's address")
    notifier_mail_retry_s: tuple[float, ...] = Field(
        (MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 10 * HOUR),
        description="pauses between the tries of one mail; after the last it is given up",
    )

    notifier_webhook_retry_s: tuple[float, ...] = Field(
        (5.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 10 * HOUR),
        description="pauses after failures; after the last the webhook is disabled",
    )
    notifier_webhook_timeout_s: float = Field(15, gt=0, le=25)
    notifier_webhook_networks: tuple[IPv4Network | IPv6Network, ...] = Field(
        (), description="private networks that webhooks may enter, there also by plain http"
    )
    notifier_webhooks_per_organisation: int = Field(20, ge=1)
