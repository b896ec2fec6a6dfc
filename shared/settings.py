"""What every service may be told from outside; each service's own settings extend these."""

from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class SharedSettings(BaseSettings):
    """
    Settings from the environment, in capitals: `NATS_URL`, `POSTGRES_URL`, …

    The unit is in the name. A service's own setting bears the service's name in front.
    """

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    nats_url: str = Field("nats://127.0.0.1:4222", description="where NATS listens")
    nats_seed_file: Path | None = Field(None, description="NKey seed of this service, PLATFORM")
    nats_intake_seed_file: Path | None = Field(
        None, description="NKey seed for the second connection, into INTAKE (registry, matcher)"
    )
    postgres_url: str = Field(
        "postgresql://postgres@127.0.0.1:5432",
        description="the server; the database is massakoppi_<service>",
    )
    database_url: str | None = Field(None, description="a whole database URL, instead")
    registry_url: str = Field("http://127.0.0.1:8101", description="where tokens are given")
    access_public_key_file: Path | None = Field(None, description="the registry's public key (JWK)")
    service_key_file: Path | None = Field(None, description="this service's key for a token")
    http_host: str = "127.0.0.1"
    http_port: int = Field(0, ge=0, le=65535, description="0: any free port")
    http_requests_per_s: float = Field(
        100.0, ge=0, description="of one who asks and is no service, in each process; 0: any"
    )
    http_requests_at_once: int = Field(500, ge=1, description="before that rate holds")
    pool_connections: int = Field(8, ge=2, le=100)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_json: bool = True
    time_zone: str = Field("Europe/Helsinki", description="whose days dates are")
    trail_keep_years: int = Field(
        6, ge=1, description="years before rows of the trail may be pruned"
    )
    stop_grace_s: float = Field(20.0, ge=0)
    ack_wait_s: float = Field(30.0, ge=1, description="after which an unacknowledged event returns")
    watch_every_s: float = Field(15.0, gt=0, description="between two looks at the durables")
    retry_first_s: float = Field(0.5, gt=0)
    retry_cap_s: float = Field(30.0, gt=0)
    failures_until_dead: int = Field(8, ge=1)
    relay_lease_s: float = Field(10.0, gt=0)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def database_of(self, service: str) -> str:
        """The database URL of *service*, for the asyncpg driver."""
        url = self.database_url or f"{self.postgres_url.rstrip('/')}/massakoppi_{service}"
        return url.replace("postgresql://", "postgresql+asyncpg://", 1)
