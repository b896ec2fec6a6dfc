"""What an operator may turn in the portal."""

from pathlib import Path

from pydantic import Field, SecretStr

from shared.settings import SharedSettings


class Settings(SharedSettings):
    """Settings of the portal: `PORTAL_REGION`, `PORTAL_OIDC_ISSUER`, …"""

    portal_region: str = Field("99", description="the region shown when the address names none")
    portal_public_url: str = Field(
        "", description="how browsers reach the portal; empty: as the request says, loopback only"
    )
    portal_matcher_url: str = Field("http://127.0.0.1:8102", description="where matches are asked")
    portal_indicators_url: str = Field(
        "http://127.0.0.1:8103", description="where balance and figures are asked"
    )
    portal_notifier_url: str = Field("http://127.0.0.1:8104", description="where inboxes are asked")
    portal_backend_timeout_s: float = Field(2.0, gt=0, le=30)
    portal_oidc_issuer: str = Field("", description="the OIDC provider; empty: nobody signs in")
    portal_oidc_client_id: str = "massakoppi-portal"
    portal_oidc_client_secret: SecretStr = SecretStr("")
    portal_oidc_client_secret_file: Path | None = Field(None, description="the secret, in a file")
    portal_cookie_key_file: Path | None = Field(
        None, description="a random secret that replicas share; without it each makes its own"
    )
    portal_renew_s: float = Field(
        30.0, ge=0, le=60, description="how old the registry's word on a person may be"
    )
    portal_beat_s: float = Field(15.0, gt=0, description="between two beats to an open page")
    portal_slow_s: float = Field(10.0, gt=0, description="after which a slow reader is dropped")
    portal_streams: int = Field(2000, ge=1, description="open pages that one replica serves")
