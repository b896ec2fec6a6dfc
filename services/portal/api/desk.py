"""What a running portal holds open: clients of the other services, keys, open streams."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import aiohttp
from fastapi import FastAPI, Request

from services.portal.api.cookies import Seal
from services.portal.api.streams import Streams
from services.portal.gateways import (
    Away,
    Denied,
    Indicators,
    Matcher,
    Notifier,
    Oidc,
    Registry,
    Sessions,
)
from shared.access import NotKnown, TokenSource
from shared.http import Problem
from shared.vocabulary.regions import Region, shipped

CODE = re.compile(r"[a-z0-9-]{1,32}", re.ASCII)
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass
class Desk:
    """The portal of one process. It owns nothing that another replica could miss."""

    http: aiohttp.ClientSession
    registry: Registry
    matcher: Matcher
    indicators: Indicators
    notifier: Notifier
    oidc: Oidc | None
    sessions: Sessions
    service_tokens: TokenSource | None
    seal: Seal
    streams: Streams
    zone: ZoneInfo
    default_region: str
    public_url: str
    timeout_s: float

    async def service_token(self) -> str:
        """The portal's own token, for aggregates only; `Away` when there is none to be had."""
        if self.service_tokens is None:
            raise Away("registry", "the portal has no key of its own")
        try:
            return await asyncio.wait_for(self.service_tokens.token(), self.timeout_s)
        except (aiohttp.ClientError, TimeoutError, OSError, NotKnown) as error:
            raise Away("registry", repr(error)) from error

    async def names(self) -> Mapping[str, Mapping[str, str]]:
        """Code → names of every region; of those that ship while the registry is away."""
        try:
            return await self.registry.names(await self.service_token())
        except (Away, Denied):
            return {code: region.names for code, region in shipped().items()}

    async def region(self, code: str) -> Region:
        """The region *code*, the installation's own when empty; a 404 `Problem` for no region."""
        code = code or self.default_region
        missing = Problem(404, "region_unknown", value=code)
        if not CODE.fullmatch(code):
            raise missing
        try:
            return await self.registry.region(code, await self.service_token())
        except Denied as error:
            if error.status == 404:
                raise missing from error
        except Away:
            pass
        if code not in shipped():
            raise missing
        return shipped()[code]

    def base_url(self, request: Request) -> str:
        """How browsers reach us, without a slash at the end."""
        return (self.public_url or str(request.base_url)).rstrip("/")

    def secure(self, request: Request) -> bool:
        """Whether cookies travel only over TLS: everywhere but on loopback."""
        base = urlsplit(self.base_url(request))
        return not (base.scheme == "http" and base.hostname in LOOPBACK)


async def open_desk(app: FastAPI, settings: Any) -> None:
    """Open what *app* needs, told by its *settings*."""
    http = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
    patience = settings.portal_backend_timeout_s
    registry = Registry("registry", settings.registry_url, http, patience)
    oidc = None
    if settings.portal_oidc_issuer:
        oidc = Oidc(
            settings.portal_oidc_issuer, settings.portal_oidc_client_id, _secret(settings), http
        )
    tokens = None
    if settings.service_key_file is not None:
        key = settings.service_key_file.read_text().strip()
        tokens = TokenSource(settings.registry_url, key)
    app.state.desk = Desk(
        http=http,
        registry=registry,
        matcher=Matcher("matcher", settings.portal_matcher_url, http, patience),
        indicators=Indicators("indicators", settings.portal_indicators_url, http, patience),
        notifier=Notifier("notifier", settings.portal_notifier_url, http, patience),
        oidc=oidc,
        sessions=Sessions(registry, oidc, settings.portal_renew_s),
        service_tokens=tokens,
        seal=Seal.from_file(settings.portal_cookie_key_file),
        streams=Streams(
            beat_s=settings.portal_beat_s,
            slow_s=settings.portal_slow_s,
            room=settings.portal_streams,
        ),
        zone=settings.zone,
        default_region=settings.portal_region,
        public_url=settings.portal_public_url,
        timeout_s=patience,
    )


def _secret(settings: Any) -> str:
    if settings.portal_oidc_client_secret_file is not None:
        return str(settings.portal_oidc_client_secret_file.read_text()).strip()
    return str(settings.portal_oidc_client_secret.get_secret_value())


async def close_desk(app: FastAPI) -> None:
    """End the open streams, then close the clients; a second time does nothing."""
    desk: Desk | None = getattr(app.state, "desk", None)
    if desk is None:
        return
    await desk.streams.close()
    await desk.http.close()


def desk_of(request: Request) -> Desk:
    """The desk that answers *request*."""
    return cast(Desk, request.app.state.desk)
