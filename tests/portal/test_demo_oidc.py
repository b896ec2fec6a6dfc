"""The demo's provider: only on loopback, a code once, only with its verifier."""

import hashlib
import stat
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from joserfc import jwt

from deploy.demo_oidc import DemoOidc, NotLoopback, loopback_only
from tests.portal.conftest import PEOPLE, SECRET

CALLBACK = "http://127.0.0.1:9/callback"
VERIFIER = "v" * 48
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ASKED = {
    "response_type": "code", "client_id": "massakoppi-portal", "redirect_uri": CALLBACK,
    "scope": "openid", "state": "s", "nonce": "n", "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}  # fmt: skip


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "10.0.0.5", "192.168.1.2", "massat.example", "", "localhost.evil.example",
     "127.0.0.1.evil.example", "fe80::1", "2130706433"],
)  # fmt: skip
def test_it_refuses_to_bind_to_anything_but_loopback(provider: DemoOidc, host: str) -> None:
    """No address of a network, no name but localhost."""
    with pytest.raises(NotLoopback):
        provider.server(host, 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.0.0.2"])
def test_loopback_is_loopback(host: str) -> None:
    """Both families, and the name."""
    loopback_only(host)


def test_it_neither_calls_itself_nor_sends_anybody_elsewhere() -> None:
    """An issuer or a way back that is not on loopback is refused when it is made."""
    with pytest.raises(NotLoopback):
        DemoOidc("http://massat.example", "c", "s", [], PEOPLE)
    with pytest.raises(NotLoopback):
        DemoOidc("http://127.0.0.1:1", "c", "s", ["https://massat.example/callback"], PEOPLE)


@pytest.mark.parametrize(
    ("client", "server", "host"),
    [
        (("10.0.0.9", 1), ("127.0.0.1", 2), "127.0.0.1:2"),
        (("127.0.0.1", 1), ("10.0.0.1", 2), "127.0.0.1:2"),
        (("127.0.0.1", 1), ("127.0.0.1", 2), "rebound.example:2"),
        (("127.0.0.1", 1), ("127.0.0.1", 2), ""),
        (None, ("127.0.0.1", 2), "127.0.0.1:2"),
    ],
)
async def test_it_serves_nobody_from_elsewhere(
    provider: DemoOidc, client: Any, server: Any, host: str
) -> None:
    """A far client, a far address of ours, a name rebound to loopback, or none: 403."""
    told: list[Any] = []

    async def send(message: Any) -> None:
        told.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http", "method": "GET", "path": "/keys", "raw_path": b"/keys", "root_path": "",
        "scheme": "http", "query_string": b"", "headers": [(b"host", host.encode())],
        "client": client, "server": server, "http_version": "1.1",
    }  # fmt: skip
    await provider.application()(scope, receive, send)
    assert told[0]["status"] == 403


@pytest.fixture
async def http() -> Any:
    """A client that follows nothing."""
    async with aiohttp.ClientSession() as made:
        yield made


async def code_of(http: aiohttp.ClientSession, provider: DemoOidc) -> str:
    """A code for the first person."""
    provider.redirect_uris = [CALLBACK]
    async with http.get(
        f"{provider.issuer}/authorize", params={**ASKED, "as": "aino"}, allow_redirects=False
    ) as answer:
        told = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert told["state"] == ["s"]
    return told["code"][0]


async def redeemed(
    http: aiohttp.ClientSession, provider: DemoOidc, code: str, **other: str
) -> tuple[int, dict[str, Any]]:
    """Status and answer for a code."""
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK,
        "client_id": "massakoppi-portal", "client_secret": SECRET, "code_verifier": VERIFIER,
    }  # fmt: skip
    async with http.post(f"{provider.issuer}/token", data={**form, **other}) as answer:
        return answer.status, await answer.json()


async def test_a_code_is_good_once_for_who_can_prove_it(
    http: aiohttp.ClientSession, provider: DemoOidc
) -> None:
    """The id_token says who, to whom, for which nonce, for half a day; a second time: no."""
    code = await code_of(http, provider)
    status, told = await redeemed(http, provider, code)
    claims = jwt.decode(told["id_token"], provider.key, algorithms=["RS256"]).claims

    assert status == 200
    assert (provider.issuer, "aino", "massakoppi-portal", "n") == (
        claims["iss"], claims["sub"], claims["aud"], claims["nonce"],
    )  # fmt: skip
    assert claims["exp"] - claims["iat"] == 12 * 3600
    assert await redeemed(http, provider, code) == (400, {"error": "invalid_grant"})


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"code_verifier": "other"}, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1:9/other"}, "invalid_grant"),
        ({"client_secret": "guess"}, "invalid_client"),
        ({"client_id": "other"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
async def test_a_code_in_wrong_hands_is_worth_nothing(
    http: aiohttp.ClientSession, provider: DemoOidc, wrong: dict[str, str], error: str
) -> None:
    """Without verifier, secret or the same way back there is no token."""
    code = await code_of(http, provider)
    assert {"error": error} == (await redeemed(http, provider, code, **wrong))[1]


@pytest.mark.parametrize(
    "wrong",
    [{"redirect_uri": "http://127.0.0.1:9/elsewhere"}, {"client_id": "x"}, {"state": ""},
     {"nonce": ""}, {"code_challenge": ""}, {"code_challenge_method": "plain"},
     {"response_type": "token"}],
)  # fmt: skip
async def test_a_request_out_of_order_is_not_sent_anywhere(
    http: aiohttp.ClientSession, provider: DemoOidc, wrong: dict[str, str]
) -> None:
    """It is refused on the spot: no redirect to an address that may be anybody's."""
    provider.redirect_uris = [CALLBACK]
    async with http.get(
        f"{provider.issuer}/authorize", params={**ASKED, "as": "aino", **wrong},
        allow_redirects=False,
    ) as answer:  # fmt: skip
        assert answer.status == 400


async def test_the_picker_lists_the_people_as_words(
    http: aiohttp.ClientSession, provider: DemoOidc
) -> None:
    """Every name, escaped, each a link; nothing inline."""
    provider.redirect_uris = [CALLBACK]
    async with http.get(f"{provider.issuer}/authorize", params=ASKED) as answer:
        page = await answer.text()
    assert len(PEOPLE) == page.count("<li>")
    assert "Elsa &lt;Seutu&gt;" in page
    assert "'unsafe" not in answer.headers["Content-Security-Policy"]


def test_a_kept_key_survives_a_restart_and_is_nobody_elses_to_read(tmp_path: Path) -> None:
    """Mode 600; the second start reads the same key."""
    path = tmp_path / "keys" / "oidc.jwk"
    first, second = (DemoOidc("http://127.0.0.1:1", "c", "s", [], PEOPLE, path) for _ in range(2))
    assert first.key.as_dict(private=True) == second.key.as_dict(private=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
