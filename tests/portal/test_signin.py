"""Signing in: sealed cookies, the provider's answer proved, and every forged one refused."""

import base64
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from services.portal.api.cookies import LARGEST, SESSION, SIGN_IN, Seal, TooLong
from services.portal.gateways import BadSignIn, Oidc
from services.portal.gateways.oidc import challenge_of
from tests.conftest import free_port
from tests.portal.conftest import SECRET, Portal, Services, a_portal, sign_in


def test_a_sealed_cookie_opens_only_whole_in_time_and_for_its_purpose() -> None:
    """Another key, another purpose, one changed sign or a lapsed time: it stays shut."""
    seal = Seal(OctKey.generate_key(256))
    value = seal.close({"sub": "aino"}, SESSION, 60)

    assert seal.open(value, SESSION) == {"sub": "aino"}
    assert "aino" not in value
    assert seal.open(value, SIGN_IN) is None
    assert Seal(OctKey.generate_key(256)).open(value, SESSION) is None
    assert seal.open(seal.close({"sub": "aino"}, SESSION, -1), SESSION) is None
    for at in range(0, len(value), 7):
        changed = value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :]
        assert seal.open(changed, SESSION) is None
    for rubbish in (None, "", "a.b.c.d.e", "x" * 5000, "....", "\u2028"):
        assert seal.open(rubbish, SESSION) is None


def test_a_cookie_never_grows_beyond_what_browsers_take() -> None:
    """What is too long is refused when it is sealed, not lost by the browser."""
    with pytest.raises(TooLong):
        Seal(OctKey.generate_key(256)).close({"id_token": "x" * 4000}, SESSION, 60)


def test_a_short_secret_is_refused(tmp_path: Path) -> None:
    """The file must hold a secret worth the name; equal files make equal keys."""
    (tmp_path / "short").write_text("hunter2\n")
    with pytest.raises(ValueError, match="short holds 7 signs"):
        Seal.from_file(tmp_path / "short")
    (tmp_path / "long").write_text("a secret of thirty-two signs or more\n")
    value = Seal.from_file(tmp_path / "long").close({"a": 1}, SESSION, 60)
    assert Seal.from_file(tmp_path / "long").open(value, SESSION) == {"a": 1}


def test_the_pkce_challenge_is_that_of_the_standard() -> None:
    """The example of RFC 7636, appendix B."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert challenge_of(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


async def test_a_person_signs_in_and_sees_what_is_theirs(
    portal: Portal, browser: aiohttp.ClientSession
) -> None:
    """The cookie is sealed, HttpOnly, Lax and small; the page greets and lists."""
    answer = await sign_in(browser, portal)

    page = await answer.text()
    assert answer.status == 200
    assert "Aino Esimerkki" in page
    assert "Uusimmat osumat" in page
    assert "12,34\u00a0€/t" in page
    held = next(one for one in answer.history if SESSION in one.cookies).cookies[SESSION]
    assert (held["httponly"], held["samesite"], held["path"]) == (True, "lax", "/")
    assert len(held.value) < LARGEST
    assert "aino" not in held.value


async def test_cookies_are_secure_everywhere_but_on_loopback(
    services: Services, tmp_path: Path, browser: aiohttp.ClientSession
) -> None:
    """Behind a public https address the cookie says Secure."""
    port = free_port()
    async with (
        a_portal(services, tmp_path, port, portal_public_url="https://massat.example") as portal,
        browser.get(f"{portal.url}/login", allow_redirects=False) as answer,
    ):
        assert answer.cookies[SIGN_IN]["secure"] is True
        asked = parse_qs(urlsplit(answer.headers["Location"]).query)
        assert asked["redirect_uri"] == ["https://massat.example/callback"]
        assert asked["code_challenge_method"] == ["S256"]


async def begun(browser: aiohttp.ClientSession, portal: Portal, then: str = "/") -> dict[str, str]:
    """What a begun sign-in asks of the provider."""
    async with browser.get(
        f"{portal.url}/login", params={"then": then}, allow_redirects=False
    ) as answer:
        return {
            name: values[0]
            for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()
        }


async def answered(browser: aiohttp.ClientSession, portal: Portal, **told: str) -> Any:
    """The portal's reply to an answer of the provider."""
    async with browser.get(f"{portal.url}/callback", params=told, allow_redirects=False) as answer:
        await answer.read()
        return answer


async def code_for(
    browser: aiohttp.ClientSession, services: Services, asked: dict[str, str]
) -> str:
    """A code of the provider for a person that was chosen."""
    async with browser.get(
        f"{services.provider.issuer}/authorize", params={**asked, "as": "aino"},
        allow_redirects=False,
    ) as answer:  # fmt: skip
        return parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]


async def test_an_answer_with_another_state_or_without_a_beginning_is_refused(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """A forged callback signs nobody in, and the begun sign-in is used up by it."""
    asked = await begun(browser, portal)
    code = await code_for(browser, services, asked)

    forged = await answered(browser, portal, code=code, state="forged")
    late = await answered(browser, portal, code=code, state=asked["state"])

    assert [forged.status, late.status] == [400, 400]
    assert not any(SESSION in one.cookies for one in (forged, late))


async def test_an_answer_is_good_once(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """The same code and state a second time, even with the old cookie put back, fail."""
    asked = await begun(browser, portal)
    cookie = browser.cookie_jar.filter_cookies(aiohttp.client.URL(portal.url))[SIGN_IN].value
    code = await code_for(browser, services, asked)
    first = await answered(browser, portal, code=code, state=asked["state"])

    browser.cookie_jar.update_cookies({SIGN_IN: cookie}, aiohttp.client.URL(portal.url))
    second = await answered(browser, portal, code=code, state=asked["state"])

    assert (first.status, second.status) == (303, 400)


async def test_an_answer_meant_for_another_sign_in_is_refused(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """A code that belongs to another nonce and verifier does not sign in here (injection)."""
    other = await begun(browser, portal)
    code = await code_for(browser, services, other)
    mine = await begun(browser, portal)

    answer = await answered(browser, portal, code=code, state=mine["state"])

    assert answer.status == 400
    assert SESSION not in answer.cookies


async def test_a_sign_in_never_ends_on_another_site(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """An open redirect in `then` leads home."""
    for then in ("https://evil.example/", "//evil.example/", "/\\evil.example"):
        asked = await begun(browser, portal, then)
        code = await code_for(browser, services, asked)
        answer = await answered(browser, portal, code=code, state=asked["state"])
        assert answer.headers["Location"] == "/"


async def test_somebody_whom_the_registry_does_not_know_is_told_whom_to_ask(
    portal: Portal, browser: aiohttp.ClientSession
) -> None:
    """Proved by the provider, but no member: 403 with the remedy, and no session."""
    answer = await sign_in(browser, portal, "stranger")
    assert answer.status == 403
    assert "koordinaattoria" in await answer.text()
    assert SESSION not in answer.cookies


async def test_a_removed_person_is_out_at_the_next_renewal(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """The registry refuses: the cookie goes and the page says that the session ended."""
    await sign_in(browser, portal)
    services.removed.add("aino")

    async with browser.get(portal.url) as answer:
        page = await answer.text()

    assert "Kirjautumisesi on päättynyt" in page
    assert "Aino Esimerkki" not in page
    assert answer.cookies[SESSION].value == ""


async def test_with_the_registry_away_work_goes_on(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """The last word holds until its token lapses."""
    await sign_in(browser, portal)
    services.down.add("registry")

    async with browser.get(f"{portal.url}/fragments/matches") as answer:
        assert answer.status == 200
        assert "Moreeni" in await answer.text()


async def test_signing_out_forgets(portal: Portal, browser: aiohttp.ClientSession) -> None:
    """After the form is sent, the page is the public one."""
    await sign_in(browser, portal)
    async with browser.post(f"{portal.url}/logout", headers={"Origin": portal.url}) as answer:
        page = await answer.text()
    assert "Kirjaudu ulos" not in page


CLAIMS: list[tuple[str, dict[str, Any]]] = [
    ("another audience", {"aud": "another-client"}),
    ("several audiences, not for us", {"aud": ["massakoppi-portal", "x"]}),
    ("made for another party", {"azp": "x"}),
    ("another issuer", {"iss": "http://127.0.0.1:1"}),
    ("lapsed", {"exp": int(time.time()) - 3600}),
    ("a replayed nonce", {"nonce": "old"}),
    ("no nonce", {"nonce": None}),
    ("no subject", {"sub": None}),
    ("no end", {"exp": None}),
]


@pytest.fixture
def claims(services: Services) -> dict[str, Any]:
    """Claims in good order."""
    now = int(time.time())
    return {"iss": services.provider.issuer, "aud": "massakoppi-portal", "sub": "aino",
            "nonce": "n", "iat": now, "exp": now + 300}  # fmt: skip


@pytest.fixture
async def oidc(services: Services) -> Any:
    """The portal's side of the sign-in."""
    async with aiohttp.ClientSession() as http:
        yield Oidc(services.provider.issuer, "massakoppi-portal", SECRET, http)


@pytest.mark.parametrize(("_", "wrong"), CLAIMS, ids=[name for name, _ in CLAIMS])
async def test_an_id_token_that_proves_less_is_refused(
    services: Services, oidc: Oidc, claims: dict[str, Any], _: str, wrong: dict[str, Any]
) -> None:
    """One claim out of order is enough; in good order it is taken."""
    key = services.provider.key
    header = {"alg": "RS256", "kid": key.kid}
    good = jwt.encode(header, claims, key, algorithms=["RS256"])
    assert (await oidc.identity({"id_token": good}, nonce="n")).subject == "aino"

    told = {name: value for name, value in {**claims, **wrong}.items() if value is not None}
    bad = jwt.encode(header, told, key, algorithms=["RS256"])
    with pytest.raises(BadSignIn):
        await oidc.identity({"id_token": bad}, nonce="n")


def part(told: dict[str, Any]) -> str:
    """One part of a compact token."""
    return base64.urlsafe_b64encode(json.dumps(told).encode()).rstrip(b"=").decode()


async def test_an_id_token_with_a_forged_signature_is_refused(
    services: Services, oidc: Oidc, claims: dict[str, Any]
) -> None:
    """Unsigned (`none`), signed with the public key as a secret, by a stranger, or cut short."""
    public = services.provider.key.as_pem(private=False)
    secret = OctKey.import_key(base64.urlsafe_b64encode(public).decode())
    stranger = RSAKey.generate_key(2048)
    kid = services.provider.key.kid
    good = services.provider.id_token(services.provider.people[0], "n")
    forged = [
        f"{part({'alg': 'none'})}.{part(claims)}.",
        f"{part({'alg': 'None', 'kid': kid})}.{part(claims)}.",
        jwt.encode({"alg": "HS256", "kid": kid}, claims, secret, algorithms=["HS256"]),
        jwt.encode({"alg": "RS256", "kid": kid}, claims, stranger, algorithms=["RS256"]),
        good[:-8],
        "no token at all",
        "",
    ]
    for one in forged:
        with pytest.raises(BadSignIn):
            await oidc.identity({"id_token": one}, nonce="n")


async def test_a_form_from_another_site_changes_nothing(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """Fetch metadata or Origin of another site, or neither: 403, and the matcher hears nothing."""
    await sign_in(browser, portal)
    match = services.matches[0]["match_id"]
    form = {"decision": "accept", "revision": "1", "organisation": "kiviset"}
    for headers in (
        {"Sec-Fetch-Site": "cross-site", "Origin": portal.url},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {},
    ):
        async with browser.post(
            f"{portal.url}/matches/{match}/decisions", data=form, headers=headers
        ) as answer:
            assert answer.status == 403
    assert services.decisions == []
