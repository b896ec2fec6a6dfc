"""The demo's sign-in beside a platform, and browsers that are signed in with it."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator, Mapping

import aiohttp
import requests
import uvicorn

from deploy.allinone import Platform
from deploy.demo_oidc import DemoOidc, DemoPerson

SESSION = "massakoppi_session"


def _server(platform: Platform, people: Mapping[str, str]) -> uvicorn.Server:
    provider = DemoOidc(
        issuer=platform.system.urls["oidc"],
        people=[DemoPerson(subject, name, name) for subject, name in people.items()],
        client_id="massakoppi-portal",
        client_secret=platform.ring.client_secret.read_text().strip(),
        redirect_uris=(f"{platform.system.urls['portal']}/callback",),
    )
    server = provider.server("127.0.0.1", platform.ports["oidc"])
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    return server


@contextlib.asynccontextmanager
async def sign_in_beside(platform: Platform, people: Mapping[str, str]) -> AsyncIterator[None]:
    """The sign-in of *people* (subject: name), while the tests' own loop runs."""
    server = _server(platform, people)
    serving = asyncio.create_task(server.serve())
    yield
    server.should_exit = True
    await serving


@contextlib.contextmanager
def sign_in_apart(platform: Platform, people: Mapping[str, str]) -> Iterator[None]:
    """The same in a thread of its own, for tests that leave the loop standing."""
    server = _server(platform, people)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield
    server.should_exit = True
    thread.join()


@contextlib.asynccontextmanager
async def browser(platform: Platform, subject: str | None) -> AsyncIterator[aiohttp.ClientSession]:
    """The browser of *subject*, signed in; of nobody for None."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        if subject is not None:
            portal = platform.system.urls["portal"]
            async with session.get(f"{portal}/login", allow_redirects=False) as answer:
                to = answer.headers["Location"]
            async with session.get(f"{to}&as={subject}") as answer:
                assert answer.status == 200, await answer.text()
        yield session


def sign_in(session: requests.Session, platform: Platform, subject: str) -> None:
    """Sign *subject* in with the browser *session*."""
    portal = platform.system.urls["portal"]
    to = session.get(f"{portal}/login", allow_redirects=False, timeout=60).headers["Location"]
    answer = session.get(f"{to}&as={subject}", timeout=60)
    assert answer.status_code == 200 and SESSION in session.cookies, answer.text
