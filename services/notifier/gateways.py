"""The world beyond: people at the registry, a mail server, the receivers of webhooks."""

import asyncio
import base64
import secrets
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import aiohttp
import aiosmtplib
from aiohttp.abc import AbstractResolver, ResolveResult
from standardwebhooks.webhooks import Webhook
from yarl import URL

from services.notifier.domain.letters import Letter, one_line, settings_link
from services.notifier.domain.retries import Outcome
from services.notifier.domain.targets import (
    LONGEST_URL,
    BadTarget,
    Network,
    check_address,
    check_target,
)
from shared.access import TokenSource
from shared.problems import sentence
from shared.vocabulary.regions import BadRegion, Region, region_from, shipped

REMEMBERED_S = 30  # so that a removed address is not used for longer
REGION_REMEMBERED_S = 3600
LARGEST_ANSWER = 64 * 1024  # bytes


class NoKey(Exception):
    """Set SERVICE_KEY_FILE: without a key of its own the notifier cannot ask who people are."""


@dataclass(frozen=True)
class Person:
    """Someone to write to, as the registry knows them now."""

    id: UUID
    name: str = field(repr=False)
    email: str = field(repr=False)
    language: str


class Registry:
    """Asks the registry who people are and what places are called, with the service's token."""

    def __init__(self, url: str, key_file: Path | None) -> None:
        self.url = url.rstrip("/")
        self.key_file = key_file
        self._tokens: TokenSource | None = None
        self._people: dict[UUID, tuple[float, Person | None]] = {}
        self._regions: dict[str, tuple[float, Region]] = {}

    async def person(self, id: UUID) -> Person | None:
        """
        The person *id*, or None when the registry knows nobody of that id any more.

        Raises `aiohttp.ClientError` when the registry is away.
        """
        kept = self._people.get(id)
        if kept is None or kept[0] < time.monotonic():
            rows = await self._ask("/people", {"ids": str(id)})
            found = next((row for row in _items(rows) if UUID(row["person"]) == id), None)
            person = None if found is None else _person(found)
            if len(self._people) > 10_000:
                self._people.clear()
            kept = self._people[id] = (time.monotonic() + REMEMBERED_S, person)
        return kept[1]

    async def places(self, region: str, language: str) -> dict[str, str]:
        """Names of the municipalities of *region* by code; empty when nobody can tell."""
        try:
            found = shipped().get(region) or await self._region(region)
        except (aiohttp.ClientError, TimeoutError, BadRegion, NoKey):
            return {}
        return {place.code: place.name(language) for place in found.places}

    async def _region(self, code: str) -> Region:
        kept = self._regions.get(code)
        if kept is None or kept[0] < time.monotonic():
            region = region_from(await self._ask(f"/regions/{code}", {}))
            kept = self._regions[code] = (time.monotonic() + REGION_REMEMBERED_S, region)
        return kept[1]

    async def _ask(self, path: str, query: Mapping[str, str]) -> Any:
        timeout = aiohttp.ClientTimeout(total=5)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(
                self.url + path, params=query, headers=await self._tokens_of().headers()
            ) as answer,
        ):
            answer.raise_for_status()
            return await answer.json()

    def _tokens_of(self) -> TokenSource:
        if self._tokens is None:
            if self.key_file is None:
                raise NoKey(NoKey.__doc__)
            self._tokens = TokenSource(self.url, self.key_file.read_text().strip())
        return self._tokens


def _items(told: Any) -> Any:
    return told["items"] if isinstance(told, dict) else told


def _person(row: Mapping[str, Any]) -> Person:
    return Person(
        UUID(row["person"]),
        row.get("name") or "",
        row.get("email") or "",
        row.get("language") or "",
    )


@dataclass(frozen=True)
class PostOffice:
    """The mail server, and in whose name mails are sent."""

    host: str
    port: int
    security: Literal["none", "starttls", "tls"]
    user: str | None
    password_file: Path | None
    sender: str
    timeout_s: float
    portal_url: str

    async def send(self, letter: Letter, to: Person, id: UUID) -> Outcome:
        """
        Hand *letter* over once, under *id*; what the server said, without any address.

        5xx about the recipient or the letter is for ever; 4xx, time-outs and a server that is away
        are not, nor is a refused password: that is ours to mend.
        """
        try:
            message = self._message(letter, to, id)
        except ValueError:
            return _now("never", error="the address of this person is no address")
        try:
            async with asyncio.timeout(2 * self.timeout_s):
                await self._hand_over(message)
        except aiosmtplib.SMTPRecipientsRefused as error:
            return _refused([one.code for one in error.recipients])
        except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError) as error:
            return _refused([error.code])
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            code = getattr(error, "code", None)
            return _now("later", status=code, error=type(error).__name__)
        return _now("sent", status=250)

    async def _hand_over(self, message: EmailMessage) -> None:
        await aiosmtplib.send(
            message,
            hostname=self.host,
            port=self.port,
            use_tls=self.security == "tls",
            start_tls=self.security == "starttls",
            username=self.user,
            password=self.password_file.read_text().strip() if self.password_file else None,
            timeout=self.timeout_s,
        )

    def _message(self, letter: Letter, to: Person, id: UUID) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        message["From"] = Address("Massakoppi", addr_spec=self.sender)
        message["To"] = Address(one_line(to.name), addr_spec=to.email)
        message["Subject"] = letter.subject
        message["Date"] = format_datetime(datetime.now(UTC))
        message["Message-ID"] = f"<{id}@{self.sender.rsplit('@', 1)[-1]}>"
        message["Auto-Submitted"] = "auto-generated"
        message["Content-Language"] = letter.language
        message["List-Unsubscribe"] = f"<{settings_link(self.portal_url)}>"
        message.set_content(letter.text)
        message.add_alternative(letter.html, subtype="html")
        return message


def _refused(codes: Sequence[int]) -> Outcome:
    code = codes[0] if codes else 550
    return _now("never" if code >= 500 else "later", status=code, error=f"SMTP {code}")


def _now(
    result: Literal["sent", "later", "never", "gone"],
    *,
    status: int | None = None,
    error: str = "",
) -> Outcome:
    return Outcome(result, datetime.now(UTC), status, error)


def new_secret() -> str:
    """A webhook's secret, to be shown once: 256 random bits as Standard Webhooks write them."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def target_of(url: str, networks: Sequence[Network]) -> URL:
    """*url* as it will be tried; raises `BadTarget` when it may not be."""
    if len(url) > LONGEST_URL:
        raise BadTarget("url_refused/long", value=len(url), most=LONGEST_URL)
    try:
        told = URL(url)
        scheme, host, port = told.scheme, told.host or "", told.port
    except ValueError as error:
        raise BadTarget("url_refused", value=url) from error
    if "\\" in url or any(not c.isprintable() or c.isspace() for c in url):
        raise BadTarget("url_refused/characters", value=url)
    has_user = told.user is not None or told.password is not None
    check_target(scheme, host, port, has_user=has_user, networks=networks)
    return told


class CheckedResolver(AbstractResolver):
    """Resolves a name and lets through only addresses that were checked: just those are dialled."""

    def __init__(self, scheme: str, networks: Sequence[Network]) -> None:
        self.scheme = scheme
        self.networks = networks

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of *host*; raises `BadTarget` when any of them may not be entered."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        answers: list[ResolveResult] = []
        for kind, _, proto, _, where in found:
            address = str(where[0])
            check_address(ip_address(address), self.scheme, port, self.networks)
            answers.append(
                ResolveResult(
                    hostname=host,
                    host=address,
                    port=port,
                    family=kind,
                    proto=proto,
                    flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
                )
            )
        return answers

    async def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True)
class Courier:
    """Posts to webhooks; *tls* is the system's trust unless told."""

    networks: tuple[Network, ...]
    timeout_s: float
    tls: ssl.SSLContext | Literal[True] = True

    async def post(self, url: str, secret: str, id: UUID, body: str) -> Outcome:
        """
        Post *body* once, signed as Standard Webhooks ask, under *id*.

        The address is resolved and checked at each try and dialled as checked; no redirect is
        followed, no proxy used, at most 64 KiB of the answer read.
        """
        try:
            target = target_of(url, self.networks)
            return await self._post(target, secret, id, body)
        except BadTarget as error:
            return _now("later", error=sentence(error, "en"))
        except TimeoutError:
            return _now("later", error=f"no answer within {self.timeout_s} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if isinstance(error.__cause__, BadTarget):
                return _now("later", error=sentence(error.__cause__, "en"))
            return _now("later", error=type(error).__name__)

    async def _post(self, target: URL, secret: str, id: UUID, body: str) -> Outcome:
        at = datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "user-agent": "Massakoppi-webhook/1",
            "webhook-id": str(id),
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(secret).sign(str(id), at, body),
        }
        connector = aiohttp.TCPConnector(
            resolver=CheckedResolver(target.scheme, self.networks),
            use_dns_cache=False,
            force_close=True,
            ssl=self.tls,
        )
        async with (
            aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=self.timeout_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            ) as session,
            session.post(
                target, data=body.encode(), headers=headers, allow_redirects=False
            ) as answer,
        ):
            await answer.content.read(LARGEST_ANSWER)
            return _answered(answer.status)


def _answered(status: int) -> Outcome:
    if 200 <= status < 300:
        return _now("sent", status=status)
    return _now("gone" if status == 410 else "later", status=status, error=f"HTTP {status}")
