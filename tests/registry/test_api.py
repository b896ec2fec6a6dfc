"""The registry over HTTP, running: who may ask what, and what is answered."""

import asyncio
import base64
import io
import json
import re
import time
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from services.registry import handlers, store
from services.registry.app import build
from services.registry.domain import canonical_id
from services.registry.settings import Settings
from shared.access import Asker, asker_of
from shared.contracts.intake import HandedForecast
from shared.http import application
from shared.work import Database
from tests.described import described
from tests.registry.builders import a_delivery, a_forecast, a_project, an_area, headers, knock
from tests.registry.conftest import (
    ACME,
    ACMES_COORDINATOR,
    ACMES_READER,
    MATCHER,
    NORTH,
    OPERATOR,
    UUSIMAA,
    Http,
    rows,
)


async def hand_in(http: Http, event: str, told: Any, *, by: Asker | None = ACME,
                  path: str = "/intake", **attributes: Any) -> tuple[int, Any]:  # fmt: skip
    return await http.ask("POST", path, by=by, headers=headers(event, **attributes),
                          data=json.dumps(told).encode())  # fmt: skip


# who asks


async def test_the_operators_key_gives_the_operators_token(http: Http):
    """Keys of the platform are read from the file that provision writes."""
    for key, kind in ((http.operator_key, "operator"), (http.matcher_key, "service")):
        status, told = await http.ask("POST", "/tokens", json={"key": key})
        assert (status, told["asker"]["kind"], told["expires_in"]) == (200, kind, 300)
        assert asker_of(told["token"], http.signing).kind == kind


async def test_an_organisations_key_gives_its_token_until_revoked(http: Http):
    """Shown once, kept as a digest, refused when revoked, lapsed or its organisation suspended."""
    _, made = await http.ask("POST", "/organisations", by=OPERATOR, json={
        "token": "kaivuri", "title": "Kaivuri Oy", "region": "01", "business_id": "13669598",
    })  # fmt: skip
    assert made["organisation"]["business_id"] == "1366959-8"
    kept = await rows(http.app.state.database, "SELECT digest FROM organisation_key")
    assert made["key"] not in [each.digest for each in kept]

    status, told = await http.ask("POST", "/tokens", json={"key": made["key"]})
    assert status == 200
    assert told["asker"]["organisations"] == {"kaivuri": ["reporter"]}

    await http.ask("PATCH", "/organisations/kaivuri", by=OPERATOR, json={"status": "suspended"})
    assert (await http.ask("POST", "/tokens", json={"key": made["key"]}))[0] == 401
    await http.ask("PATCH", "/organisations/kaivuri", by=OPERATOR, json={"status": "active"})
    assert (await http.ask("POST", "/tokens", json={"key": made["key"]}))[0] == 200

    path = f"/organisations/kaivuri/keys/{made['key_id']}"
    assert (await http.ask("DELETE", path, by=OPERATOR))[0] == 204
    status, problem = await http.ask("POST", "/tokens", json={"key": made["key"]})
    assert (status, problem["code"]) == (401, "not_known")
    assert (await http.ask("DELETE", path, by=OPERATOR))[0] == 404


async def test_a_key_lapses(http: Http):
    """An expiry is kept to the moment."""
    _, made = await http.ask("POST", "/organisations/acme/keys", by=OPERATOR, json={
        "kind": "https", "expires_at": "2099-01-01T00:00:00Z"})  # fmt: skip
    assert (await http.ask("POST", "/tokens", json={"key": made["key"]}))[0] == 200
    async with http.app.state.database.begin_work() as work:
        keys = store.ledger.metadata.tables["organisation_key"]
        await work.session.execute(keys.update().values(expires_at=work.now))
    assert (await http.ask("POST", "/tokens", json={"key": made["key"]}))[0] == 401

    status, problem = await http.ask("POST", "/organisations/acme/keys", by=OPERATOR, json={
        "kind": "https", "expires_at": "2001-01-01T00:00:00Z"})  # fmt: skip
    assert (status, problem["code"]) == (422, "expiry_past")


async def test_the_public_key_checks_tokens(http: Http):
    """What /keys gives reads what /tokens signed, and holds no private half."""
    status, told = await http.ask("GET", "/keys")
    assert status == 200 and "d" not in told["keys"][0]
    _, token = await http.ask("POST", "/tokens", json={"key": http.operator_key})
    assert asker_of(token["token"], OKPKey.import_key(told["keys"][0])).is_operator


async def test_a_credential_is_one_of_two(http: Http):
    """Neither, both or something else is no credential."""
    for told, status in (({}, 422), ({"key": "a", "id_token": "b"}, 422), ({"pin": 1}, 422),
                         ({"key": "mk_nobody"}, 401), ({"id_token": "x"}, 422)):  # fmt: skip
        assert (await http.ask("POST", "/tokens", json=told))[0] == status


# sign-in


class Issuer:
    """An OIDC provider: what it publishes, and tokens it signs."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, auto_kid=True)
        self.url = ""
        self.asked = 0

    def publish(self, *keys: Any) -> dict[str, Any]:
        return {"keys": [key.as_dict(private=False) for key in keys]}

    def id_token(self, key: Any = None, alg: str = "RS256", **claims: Any) -> str:
        told = {"iss": self.url, "aud": "massakoppi", "sub": "s-1", "exp": int(time.time()) + 60,
                "iat": int(time.time()), **claims}  # fmt: skip
        signing = key or self.key
        header = {"alg": alg, **({"kid": signing.kid} if signing.kid else {})}
        return jwt.encode(header, told, signing, algorithms=[alg])


@pytest.fixture
async def issuer():
    made = Issuer()

    async def about(_: web.Request) -> web.Response:
        return web.json_response({"issuer": made.url, "jwks_uri": f"{made.url}/jwks"})

    async def jwks(_: web.Request) -> web.Response:
        made.asked += 1
        return web.json_response(made.publish(made.key))

    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", about)
    app.router.add_get("/jwks", jwks)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
async def signed(http: Http, issuer: Issuer, serve, tmp_path):
    """The registry that trusts *issuer*, with Maija of acme as a member."""
    settings = Settings(**{**http.settings.model_dump(), "registry_oidc_issuer": issuer.url})
    database: Database = http.app.state.database

    class Ready:
        async def problems(self) -> list[str]:
            return []

    app = application(name="registry", router=build(settings).api, database=database,
                      public_key=http.signing, health=Ready(), settings=settings)  # fmt: skip
    http.url = await serve(app)
    async with database.begin_work() as work:
        http.person = await handlers.add_member(  # type: ignore[attr-defined]
            work, actor="test", token="acme", name="Maija", email="maija@example.test",
            roles=["coordinator"])  # fmt: skip
    return http


async def test_a_person_signs_in_by_verified_address_and_then_by_subject(signed: Http, issuer):
    """The first time binds the provider's subject; an address alone opens nothing afterwards."""
    unverified = issuer.id_token(email="maija@example.test")
    assert (await signed.ask("POST", "/tokens", json={"id_token": unverified}))[0] == 401

    first = issuer.id_token(email="Maija@example.test", email_verified=True)
    status, told = await signed.ask("POST", "/tokens", json={"id_token": first})
    assert status == 200
    assert told["asker"] == {"subject": str(signed.person), "kind": "person",
                             "organisations": {"acme": ["coordinator"]}, "regions": [],
                             "session": 1, "language": "fi"}  # fmt: skip

    by_subject = issuer.id_token()
    assert (await signed.ask("POST", "/tokens", json={"id_token": by_subject}))[0] == 200
    other = issuer.id_token(sub="s-2", email="maija@example.test", email_verified=True)
    assert (await signed.ask("POST", "/tokens", json={"id_token": other}))[0] == 401
    assert issuer.asked == 1


async def test_a_removed_person_gets_no_token(signed: Http, issuer):
    """Roles that change make the session older; the last membership gone ends it."""
    token = issuer.id_token(email="maija@example.test", email_verified=True)
    await signed.ask("POST", "/tokens", json={"id_token": token})
    await signed.ask("POST", "/organisations/acme/members", by=OPERATOR, json={
        "name": "Maija", "email": "maija@example.test", "roles": ["reader"]})  # fmt: skip
    _, told = await signed.ask("POST", "/tokens", json={"id_token": token})
    assert (told["asker"]["session"], told["asker"]["organisations"]) == (2, {"acme": ["reader"]})

    path = f"/organisations/acme/members/{signed.person}"
    assert (await signed.ask("DELETE", path, by=OPERATOR))[0] == 204
    assert (await signed.ask("POST", "/tokens", json={"id_token": token}))[0] == 401


async def test_a_forged_sign_in_is_refused(signed: Http, issuer):
    """Wrong issuer, audience, time, key or algorithm: nobody is known by it."""
    mine = {"email": "maija@example.test", "email_verified": True}
    _, claims, signature = issuer.id_token(**mine).split(".")
    header = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    shared = OctKey.import_key(json.dumps(issuer.key.as_dict(private=False)))
    forged = [
        issuer.id_token(iss="http://elsewhere", **mine),
        issuer.id_token(aud="another", **mine),
        issuer.id_token(exp=int(time.time()) - 3600, **mine),
        issuer.id_token(exp=None, **mine),
        issuer.id_token(key=RSAKey.generate_key(2048, auto_kid=True), **mine),
        issuer.id_token(key=ECKey.generate_key("P-256", auto_kid=True), alg="ES256", **mine),
        issuer.id_token(key=shared, alg="HS256", **mine),
        f"{header}.{claims}.",
        f"{header}.{claims}.{signature}",
        "nonsense",
        "a.b.c",
    ]
    for token in forged:
        status, problem = await signed.ask("POST", "/tokens", json={"id_token": token})
        assert (status, problem["code"]) == (401, "not_known"), token
    assert (await rows(signed.app.state.database, "SELECT subject FROM person"))[0][0] is None
    assert issuer.asked <= 2


async def test_new_keys_of_the_provider_are_fetched(signed: Http, issuer, monkeypatch):
    """A provider that turned to another key is asked for it."""
    monkeypatch.setattr("services.registry.gateways.LEAST_PAUSE_S", 0.0)
    mine = {"email": "maija@example.test", "email_verified": True}
    await signed.ask("POST", "/tokens", json={"id_token": issuer.id_token(**mine)})
    issuer.key = ECKey.generate_key("P-256", auto_kid=True)

    token = issuer.id_token(alg="ES256", **mine)
    assert (await signed.ask("POST", "/tokens", json={"id_token": token}))[0] == 200


# organisations


async def test_organisations_are_added_by_operator_or_regional_coordinator(http: Http):
    """In their own region only, once each, with a token and business id that can be."""
    told = {"token": "uusi", "title": "Uusi", "region": "01"}
    for by, status in ((ACME, 403), (ACMES_COORDINATOR, 403), (UUSIMAA, 201), (OPERATOR, 409)):
        assert (await http.ask("POST", "/organisations", by=by, json=told))[0] == status
    assert (await http.ask("POST", "/organisations", by=UUSIMAA,
                           json={**told, "token": "muu", "region": "06"}))[0] == 403  # fmt: skip
    for wrong, code in (({"token": "UPPER*"}, "token_invalid"),
                        ({"region": "77"}, "region_unknown"),
                        ({"business_id": "1366959-7"}, "business_id_invalid"),
                        ({"actor_type": "circus"}, "actor_type_unknown")):  # fmt: skip
        status, problem = await http.ask("POST", "/organisations", by=OPERATOR,
                                         json={**told, "token": "third", **wrong})  # fmt: skip
        assert (status, problem["code"]) == (422, code)


MISTAKES: list[tuple[str, str, Any, tuple[str, str, str]]] = [
    ("GET", "/organisations/nobody", None, ("«nobody»", "ei ole", "finns inte")),
    ("GET", "/regions/77", None, ("«77»", "Seutua", "Regionen")),
    ("GET", "/nowhere", None, ("", "Tarkista osoite", "Kontrollera")),
    ("PUT", "/organisations", {}, ("PUT", "ei ole metodia", "Se gränssnittsbeskrivningen")),
    ("GET", "/forecasts/00000000-0000-7000-8000-000000000001", None,
     ("00000000-0000-7000-8000-000000000001", "Ennustetta", "Prognosen")),
    ("GET", "/forecasts?after=x", None, ("«x»", "sellaisenaan", "så som det var")),
    ("POST", "/organisations", {"token": "UPPER*", "title": "x", "region": "01"},
     ("«UPPER*»", "väliviiva", "bindestreck")),
    ("POST", "/organisations", {"token": "one", "title": "x", "region": "01",
                                "business_id": "1366959-7"},
     ("«1366959-7»", "kirjoitusvirhe", "skrivfel")),
    ("POST", "/organisations", {"token": "one", "title": "x", "region": "01",
                                "actor_type": "circus"}, ("«circus»", "jotakin: ", "en av: ")),
    ("POST", "/organisations/acme/mandates", {"reporter": "acme"},
     ("«acme»", "itse omistaja", "själv ägaren")),
    ("POST", "/organisations/acme/members",
     {"name": "A", "email": "a@example.test", "roles": ["king"]}, ("«king»", "Anna", "Ge en")),
    ("POST", "/regions", {"code": "A!"}, ("«A!»", "numeroa", "siffror")),
    ("DELETE", "/organisations/acme/keys/00000000-0000-7000-8000-000000000001", None,
     ("00000000-0000-7000-8000-000000000001", "avainta", "nyckel")),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "told", "words"), MISTAKES, ids=str)
async def test_a_mistake_is_told_with_its_value_in_the_language_asked_for(
    http: Http, method: str, path: str, told: Any, words: tuple[str, str, str]
):
    """The value in all three; the code is the same in each."""
    value, finnish, swedish = words
    codes = set()
    for language, remedy in (("fi", finnish), ("sv", swedish), ("en", "")):
        status, problem = await http.ask(
            method, path, by=OPERATOR, json=told, headers={"accept-language": language}
        )
        assert 400 <= status < 500
        assert value in problem["detail"] and remedy in problem["detail"], problem["detail"]
        codes.add(problem["code"])
    assert len(codes) == 1


@pytest.mark.parametrize(
    ("path", "told", "words"),
    [
        (
            "/organisations?limit=5000",
            None,
            ("limit on «5000».", "enintään 1000", "Ange högst 1000"),
        ),
        ("/organisations", {"title": "x" * 10_000}, ("title «xxx", "enintään 200", "högst 200")),
        ("/organisations", {"colour": "red"}, ("colour «red»", "Jätä se pois", "Utelämna")),
        ("/organisations", {"business_id_scheme": "se"}, ("«se»", "fi, other", "fi, other")),
        ("/organisations/acme/keys", {"kind": "nats"}, ("«nats»", "Kerro molemmat", "Ange båda")),
    ],
    ids=["number", "long", "unknown", "choice", "together"],
)
async def test_a_field_that_does_not_fit_is_named_with_its_value(
    http: Http, path: str, told: Any, words: tuple[str, str, str]
):
    """Shortly, with what fits, in the language asked for."""
    value, finnish, swedish = words
    base = {"token": "one", "title": "x", "region": "01"} if path == "/organisations" else {}
    for language, remedy in (("fi", finnish), ("sv", swedish)):
        status, problem = await http.ask(
            "POST" if told else "GET", path, by=OPERATOR,
            json={**base, **told} if told else None, headers={"accept-language": language},
        )  # fmt: skip
        assert (status, problem["code"]) == (422, "request_invalid")
        text = problem["reasons"][0]["text"]
        assert remedy in text and len(text) < 400, text
        assert (value if language == "fi" else value.replace(" on ", " är ")) in text


async def test_a_key_that_is_refused_is_not_told_back(http: Http):
    """What opens something stands in no answer, not even in the one that refuses it."""
    key = "mk_" + "z" * 10_000
    status, problem = await http.ask("POST", "/tokens", json={"key": key})
    assert status in (401, 422) and "zzz" not in str(problem)


async def test_an_organisation_is_told_with_its_members_ids(http: Http):
    """Each change is one revision; no name and no address leaves."""
    _, made = await http.ask("POST", "/organisations/acme/members", by=ACMES_COORDINATOR, json={
        "name": "Kaisa", "email": "kaisa@example.test", "roles": ["coordinator", "reporter"],
    })  # fmt: skip
    told = await rows(
        http.app.state.database,
        "SELECT payload FROM outbox WHERE name LIKE 'registry.organisation%' ORDER BY created_at",
    )
    last = json.loads(bytes(told[-1].payload))

    assert (last["organisation"], last["revision"]) == ("acme", 2)
    assert last["members"] == [
        {"person": made["person"], "roles": ["coordinator", "reporter"], "regions": []}
    ]
    assert b"kaisa" not in b"".join(bytes(each.payload).lower() for each in told)


async def test_a_coordinator_cannot_raise_itself_to_a_region(http: Http):
    """Regions are given only by who holds them; a known person's sign-in is not taken over."""
    member = {"name": "K", "email": "k@example.test", "roles": ["regional_coordinator"],
              "regions": ["01"]}  # fmt: skip
    path = "/organisations/acme/members"
    status, problem = await http.ask("POST", path, by=ACMES_COORDINATOR, json=member)
    assert (status, problem["code"]) == (422, "role_refused")
    assert (await http.ask("POST", path, by=UUSIMAA, json=member))[0] == 201
    assert (await http.ask("POST", path, by=UUSIMAA, json={**member, "regions": ["06"]}))[0] == 422

    await http.ask("POST", "/organisations/north/members", by=OPERATOR, json={
        "name": "N", "email": "n@example.test", "roles": ["coordinator"], "subject": "s-n",
    })  # fmt: skip
    status, problem = await http.ask("POST", path, by=ACMES_COORDINATOR, json={
        "name": "Other", "email": "n@example.test", "roles": ["reader"], "subject": "mine",
    })  # fmt: skip
    assert (status, problem["code"]) == (409, "person_differs")


async def test_names_are_given_to_services_only(http: Http):
    """/people is for the platform; members see each other."""
    _, made = await http.ask("POST", "/organisations/acme/members", by=OPERATOR, json={
        "name": "Kaisa", "email": "kaisa@example.test", "roles": ["coordinator"],
        "language": "sv",
    })  # fmt: skip
    status, told = await http.ask("GET", f"/people?ids={made['person']}", by=MATCHER)
    assert status == 200
    assert told == [{"person": made["person"], "name": "Kaisa", "email": "kaisa@example.test",
                     "language": "sv", "organisations": ["acme"], "roles": ["coordinator"],
                     "regions": []}]  # fmt: skip
    for by in (ACME, ACMES_COORDINATOR, UUSIMAA):
        assert (await http.ask("GET", f"/people?ids={made['person']}", by=by))[0] == 403
    for by, status in ((ACMES_READER, 200), (UUSIMAA, 200), (NORTH, 403), (ACME, 403)):
        assert (await http.ask("GET", "/organisations/acme/members", by=by))[0] == status


async def test_nats_keys_are_registered_revoked_and_listed_for_the_server(http: Http):
    """Only public halves, of active organisations, unrevoked."""
    public = "U" + "B" * 55
    _, made = await http.ask("POST", "/organisations/acme/keys", by=ACMES_COORDINATOR,
                             json={"kind": "nats", "public_key": public})  # fmt: skip
    assert (await http.ask("POST", "/organisations/north/keys", by=OPERATOR,
            json={"kind": "nats", "public_key": public}))[0] == 409  # fmt: skip
    assert (await http.ask("POST", "/organisations/acme/keys", by=OPERATOR,
            json={"kind": "nats", "public_key": "SUSECRET"}))[0] == 422  # fmt: skip
    _, users = await http.ask("GET", "/nats-users", by=MATCHER)
    assert users["items"] == [{"organisation": "acme", "public_key": public}]
    assert (await http.ask("GET", "/nats-users", by=ACME))[0] == 403

    await http.ask("DELETE", f"/organisations/acme/keys/{made['id']}", by=OPERATOR)
    assert (await http.ask("GET", "/nats-users", by=OPERATOR))[1]["items"] == []
    _, keys = await http.ask("GET", "/organisations/acme/keys", by=OPERATOR)
    assert {each["kind"] for each in keys["items"]} == {"https", "nats"}
    assert all("digest" not in each and "key" not in each for each in keys["items"])


async def test_mandates_are_given_listed_and_ended(http: Http):
    """By who manages the owner, to an organisation that is known."""
    path = "/organisations/acme/mandates"
    assert (await http.ask("POST", path, by=NORTH, json={"reporter": "north"}))[0] == 403
    assert (await http.ask("POST", path, by=ACMES_COORDINATOR, json={"reporter": "north"}))[
        0
    ] == 201
    assert (await http.ask("POST", path, by=OPERATOR, json={"reporter": "ghost"}))[0] == 422
    assert (await http.ask("POST", path, by=OPERATOR, json={"reporter": "acme"}))[0] == 422
    _, listed = await http.ask("GET", path, by=ACME)
    assert [each["reporter"] for each in listed["items"]] == ["north"]
    assert (await http.ask("DELETE", f"{path}/north", by=OPERATOR))[0] == 204
    assert (await http.ask("DELETE", f"{path}/north", by=OPERATOR))[0] == 404


async def test_every_administrative_change_leaves_a_trail(http: Http):
    """Who, what, to what; and never a name or a key."""
    await http.ask("POST", "/organisations/acme/members", by=UUSIMAA, json={
        "name": "Kaisa", "email": "kaisa@example.test", "roles": ["coordinator"]})  # fmt: skip
    await http.ask("PATCH", "/organisations/acme", by=OPERATOR, json={"status": "suspended"})
    await http.ask("POST", "/organisations/acme/mandates", by=OPERATOR, json={"reporter": "north"})
    question = "SELECT * FROM trail WHERE object = 'organisation/acme' ORDER BY at, id"
    trail = await rows(http.app.state.database, question)
    found = [(each.subject, each.action) for each in trail]
    assert found[-3:] == [("person/p-regional", "member-kept"),
                          ("operator/operator", "organisation-suspended"),
                          ("operator/operator", "mandate-given")]  # fmt: skip
    assert "aisa" not in json.dumps([each.what for each in trail])


# regions


INDIANA = {
    "code": "us-in", "names": {"en": "Indiana"}, "bounding_box": [-88.2, 37.7, -84.7, 41.8],
    "metric_crs": "EPSG:26916", "sample": False, "meets": [], "source": "test",
    "licence": "test",
    "places": [{"code": "097", "names": {"en": "Marion"}, "lat": 39.78, "lon": -86.14}],
}  # fmt: skip


async def test_a_region_is_data(http: Http):
    """Added by file, it takes projects at once; the same again is fine, another is a conflict."""
    assert (await http.ask("POST", "/regions", by=UUSIMAA, json=INDIANA))[0] == 403
    for _ in range(2):
        assert (await http.ask("POST", "/regions", by=OPERATOR, json=INDIANA))[0] == 201
    other = {**INDIANA, "metric_crs": "EPSG:32616"}
    assert (await http.ask("POST", "/regions", by=OPERATOR, json=other))[0] == 409
    status, problem = await http.ask("POST", "/regions", by=OPERATOR, json={**INDIANA, "code": "*"})
    assert (status, problem["code"]) == (422, "region_invalid")

    _, listed = await http.ask("GET", "/regions", by=ACME)
    assert {each["code"]: each["places"] for each in listed["items"]}["us-in"] == 1
    _, shown = await http.ask("GET", "/regions/us-in", by=ACME)
    assert shown["places"][0]["code"] == "097"
    assert (await http.ask("GET", "/regions/zz", by=ACME))[0] == 404
    told = a_project(region="us-in", municipality="097", lat=39.7, lon=-86.1)
    told["precision"] = "municipality"
    assert (await hand_in(http, "project-added", told))[0] == 202
    place = (await rows(http.app.state.database, "SELECT state->'place' AS p FROM project"))[0].p
    assert (place if isinstance(place, dict) else json.loads(place))["precision"] == "municipality"


# the door


async def test_an_event_is_answered_202_with_its_receipt_after_the_commit(http: Http):
    """Binary or structured, the same receipt; again, the same."""
    status, receipt = await hand_in(http, "project-added", a_project(), id="1")
    assert (status, receipt["verdict"], receipt["code"]) == (202, "accepted", "taken")
    assert receipt["canonical"]["revision"] == 1 and receipt["organisation"] == "acme"

    structured = {"specversion": "1.0", "id": "1", "source": "/company/system",
                  "type": "intake.project-added.v1", "data": a_project()}  # fmt: skip
    whole = {"content-type": "application/cloudevents+json"}
    status, again = await http.ask(
        "POST", "/intake", by=ACME, data=json.dumps(structured), headers=whole
    )
    assert (status, again) == (202, receipt)


async def test_a_rejected_event_is_a_problem_with_every_reason(http: Http):
    """In the language of the request; with another body under a known id too."""
    await hand_in(http, "project-added", a_project())
    told = {**headers("forecast-updated", id="2"), "accept-language": "sv-FI,sv;q=0.9"}
    bad = json.dumps(a_forecast(quantity=-1, material="klay"))
    status, problem = await http.ask("POST", "/intake", by=ACME, data=bad, headers=told)
    assert (status, problem["code"]) == (422, "rejected")
    assert http.last.content_type == "application/problem+json"
    assert {each["code"]: each["pointer"] for each in problem["reasons"]} == {
        "number_negative": "/quantity", "material_unknown": "/material"}  # fmt: skip
    assert "okänt material" in json.dumps(problem["reasons"], ensure_ascii=False)

    status, problem = await hand_in(http, "forecast-updated", a_forecast(), id="2")
    assert (status, problem["code"]) == (422, "event_id_reused")
    status, problem = await hand_in(http, "forecast-updated", a_forecast(project="P-9"))
    assert (status, problem["code"]) == (422, "project_unknown")
    status, problem = await http.ask("POST", "/intake", by=ACME, json={})
    assert (status, problem["code"]) == (422, "envelope_unreadable")


async def test_who_reports_comes_from_the_credential(http: Http):
    """Nobody hands in for another, whatever the event says."""
    assert (await hand_in(http, "project-added", a_project(), by=None))[0] == 401
    for by in (OPERATOR, MATCHER, ACMES_READER, UUSIMAA):
        assert (await hand_in(http, "project-added", a_project(), by=by))[0] == 403
    path = "/intake?organisation=north"
    assert (await hand_in(http, "project-added", a_project(), path=path))[0] == 403
    status, receipt = await hand_in(http, "project-added", a_project(), by=ACMES_COORDINATOR,
                                    source="/north")  # fmt: skip
    assert (status, receipt["organisation"]) == (202, "acme")


async def test_each_receipt_of_a_version_that_will_go_says_until_when_it_stays(
    http: Http, database: Database, monkeypatch
):
    """A line of a batch, an answer of its own, and the message on the subject of receipts."""
    monkeypatch.setattr(HandedForecast, "deprecated_on", date(2027, 3, 1))
    batch = {"content-type": "application/cloudevents-batch+json"}
    said = [("project-added", a_project()), ("forecast-updated", a_forecast())]
    items = [
        {"specversion": "1.0", "id": f"n-{at}", "source": "/s", "type": f"intake.{event}.v1",
         "data": told}
        for at, (event, told) in enumerate(said)
    ]  # fmt: skip

    _, receipts = await http.ask("POST", "/intake", by=ACME, headers=batch, data=json.dumps(items))
    await hand_in(http, "forecast-updated", a_forecast("F-2"))
    alone = http.last.headers["Sunset"]
    async with database.begin_work() as work:
        await handlers.judge([knock("forecast-updated", a_forecast("F-3"))], work)
        letters = {each.name: each.headers for each in work.letters}

    assert [each.get("notice") for each in receipts] == [
        None, {"deprecated_on": "2027-03-01", "stays_until": "2028-03-01"}
    ]  # fmt: skip
    told = letters["receipts.receipt.v1"]
    assert told["Sunset"] == alone == "Wed, 01 Mar 2028 00:00:00 GMT"
    assert told["Deprecation"] == "@1803859200"


async def test_a_batch_has_a_receipt_for_each(http: Http):
    """In order, good and bad beside each other."""

    def item(n: int, event: str, told: Any) -> dict[str, Any]:
        return {"specversion": "1.0", "id": f"b-{n}", "source": "/s",
                "type": f"intake.{event}.v1", "data": told}  # fmt: skip

    items = [item(0, "project-added", a_project()),
             *[item(n, "forecast-updated", a_forecast(f"F-{n}")) for n in range(1, 150)],
             item(150, "forecast-updated", a_forecast(quantity=-1)), {"no": "event"}]  # fmt: skip
    batch = {"content-type": "application/cloudevents-batch+json"}

    status, receipts = await http.ask("POST", "/intake", by=ACME, json=None, headers=batch,
                                      data=json.dumps(items))  # fmt: skip

    assert status == 200 and len(receipts) == 152
    assert [each["code"] for each in receipts[:150]] == ["taken"] * 150
    assert [each["code"] for each in receipts[150:]] == ["number_negative", "envelope_unreadable"]

    for body, expected in ((b"{}", 422), (b"[" + b"1," * 1000 + b"1]", 413)):
        assert (await http.ask("POST", "/intake", by=ACME, headers=batch, data=body))[0] == expected


async def test_a_trial_says_what_would_be_said_and_keeps_nothing(http: Http):
    """Of one event and of a batch: the same verdicts, no receipt and no thing after it."""

    def item(n: int, event: str, told: Any) -> dict[str, Any]:
        return {"specversion": "1.0", "id": f"t-{n}", "source": "/s",
                "type": f"intake.{event}.v1", "data": told}  # fmt: skip

    items = [item(0, "project-added", a_project()),
             *[item(n, "forecast-updated", a_forecast(f"F-{n}")) for n in range(1, 150)],
             item(150, "forecast-updated", a_forecast(quantity=-1))]  # fmt: skip
    batch = {"content-type": "application/cloudevents-batch+json"}

    async def posted(path: str) -> list[str]:
        status, receipts = await http.ask("POST", path, by=ACME, json=None, headers=batch,
                                          data=json.dumps(items))  # fmt: skip
        assert status == 200
        return [each["code"] for each in receipts]

    tried = await posted("/intake?trial=true")
    one, _ = await hand_in(http, "project-added", a_project(), path="/intake?trial=true")
    other, _ = await hand_in(http, "forecast-updated", a_forecast(), path="/intake?trial=true")

    assert tried == ["taken"] * 150 + ["number_negative"]
    assert (one, other) == (202, 422)
    for path in ("/receipts", "/projects", "/forecasts"):
        assert (await http.ask("GET", path, by=ACME))[1]["items"] == []
    assert await posted("/intake") == tried


async def test_too_large_a_body_is_not_read_on(http: Http):
    """256 KiB for one event, 4 MiB for a batch."""
    status, problem = await http.ask("POST", "/intake", by=ACME, data=b"x" * 300_000,
                                     headers=headers("project-added"))  # fmt: skip
    assert (status, problem["code"]) == (413, "body_too_large")
    batch = {"content-type": "application/cloudevents-batch+json"}
    assert (await http.ask("POST", "/intake", by=ACME, data=io.BytesIO(b" " * 5_000_000),
                           headers=batch))[0] == 413  # fmt: skip


async def test_the_same_id_at_once_is_taken_once(http: Http):
    """One 202; the other hears that it is being handled, or gets the same receipt."""
    answers = await asyncio.gather(
        *[hand_in(http, "project-added", a_project(), id="same") for _ in range(6)]
    )
    assert {status for status, _ in answers} <= {202, 409}
    assert (await rows(http.app.state.database, "SELECT revision FROM project")) == [(1,)]


async def test_receipts_are_asked_for_by_source_and_id_or_in_order(http: Http):
    """Own ones only; a page goes on where the last ended."""
    await hand_in(http, "project-added", a_project(), id="1")
    await hand_in(http, "project-added", a_project(municipality="837"), id="1", by=NORTH)
    await hand_in(http, "forecast-updated", a_forecast(quantity=-1), id="2")

    _, found = await http.ask("GET", "/receipts?source=/company/system&id=1", by=ACME)
    assert [(each["organisation"], each["code"]) for each in found["items"]] == [("acme", "taken")]
    _, first = await http.ask("GET", "/receipts?limit=1", by=ACME)
    _, second = await http.ask("GET", f"/receipts?limit=1&after={first['next']}", by=ACME)
    _, third = await http.ask("GET", f"/receipts?limit=1&after={second['next']}", by=ACME)
    assert [page["items"][0]["event_id"] for page in (first, second)] == ["1", "2"]
    assert (third["items"], third["next"]) == ([], None)
    assert len((await http.ask("GET", "/receipts", by=OPERATOR))[1]["items"]) == 3
    assert (await http.ask("GET", "/receipts?after=nonsense", by=ACME))[0] == 422


# what is known


async def test_each_sees_what_is_theirs(http: Http):
    """Own, one's region's, and what is told to every member; the platform sees all."""
    async with http.app.state.database.begin_work() as work:
        await handlers.judge([
            knock("project-added", a_project("mine")),
            knock("project-added", a_project("theirs", municipality="837"), by="north"),
            knock("project-added", a_project("open", municipality="837", visibility="forum"),
                  by="north"),
            knock("area-updated", an_area(municipality="837"), by="north"),
        ], work)  # fmt: skip

    async def seen(by: Asker, query: str = "") -> set[str]:
        _, found = await http.ask("GET", f"/projects{query}", by=by)
        return {each["external_id"] for each in found["items"]}

    assert await seen(OPERATOR) == await seen(MATCHER) == {"mine", "theirs", "open"}
    assert await seen(ACME) == await seen(UUSIMAA) == {"mine", "open"}
    assert await seen(NORTH) == {"theirs", "open"}
    assert await seen(OPERATOR, "?region=06") == {"theirs", "open"}
    assert await seen(OPERATOR, "?organisation=acme") == {"mine"}
    assert len((await http.ask("GET", "/areas", by=ACME))[1]["items"]) == 1

    _, all_of = await http.ask("GET", "/projects", by=OPERATOR)
    hidden = next(each for each in all_of["items"] if each["external_id"] == "theirs")
    path = f"/projects/{hidden['project_id']}"
    assert (await http.ask("GET", path, by=ACME))[0] == 404
    assert (await http.ask("GET", path, by=NORTH))[0] == 200
    assert (await http.ask("GET", path))[0] == 401


@pytest.mark.parametrize(
    "path",
    ["/organisations", "/organisations/acme/keys", "/organisations/acme/mandates",
     "/organisations/acme/members", "/nats-users", "/regions", "/duplicates"],
)  # fmt: skip
async def test_every_list_is_the_same_page_by_page(http: Http, path: str):
    """As whole as with no page asked for; another list's `next` is refused with the remedy."""
    async with http.app.state.database.begin_work() as work:
        for reporter in ("client", "north"):
            await handlers.add_mandate(work, actor="test", owner="acme", reporter=reporter)
        for at, token in enumerate(("acme", "acme", "client")):
            key = f"U{'ABC'[at] * 55}"
            await handlers.add_nats_key(work, actor="test", token=token, public_key=key)
            await handlers.add_member(
                work, actor="test", token="acme", name="Aino", email=f"a{at}@example.com",
                roles=("reporter",), regions=(), may_give=None, language="fi", subject=None,
            )  # fmt: skip
        site = {"lat": 60.2, "lon": 24.95}
        for by in ("acme", "client", "north"):
            await handlers.judge([
                knock("project-added", a_project(region="01"), by=by),
                knock("forecast-updated", a_forecast(**site), by=by),
            ], work)  # fmt: skip

    _, whole = await http.ask("GET", path, by=OPERATOR)
    found: list[Any] = []
    following: str | None = ""
    while following is not None:
        after = f"&after={following}" if following else ""
        _, page = await http.ask("GET", f"{path}?limit=1{after}", by=OPERATOR)
        assert len(page["items"]) == 1
        found, following = found + page["items"], page["next"]

    assert len(found) > 1 and found == whole["items"] and whole["next"] is None
    status, problem = await http.ask("GET", f"{path}?after=x", by=OPERATOR)
    assert (status, problem["code"]) == (422, "cursor_invalid")


async def test_every_thing_that_can_be_asked_for_is_told_as_the_document_says(http: Http):
    """Each GET, by the operator and by a company, of a registry with one of everything in it."""
    async with http.app.state.database.begin_work() as work:
        await handlers.add_mandate(work, actor="test", owner="acme", reporter="client")
        await handlers.add_nats_key(work, actor="test", token="acme", public_key="U" + "A" * 55)
        person = await handlers.add_member(
            work, actor="test", token="acme", name="Aino", email="aino@y.fi",
            roles=("reporter",), regions=(), may_give=None, language="fi", subject=None,
        )  # fmt: skip
        for by in ("acme", "client"):
            await handlers.judge([
                knock("project-added", a_project(visibility="public", region="01"), by=by),
                knock("forecast-updated", a_forecast(lat=60.2, lon=24.95), by=by),
                knock("area-updated", an_area(), by=by),
                knock("delivery-reported", a_delivery(), by=by),
                knock("forecast-updated", a_forecast("bad", quantity=-1), by=by),
            ], work)  # fmt: skip
    _, made = await http.ask("POST", "/imports", by=ACME, data=b"a;b\n1;2\n")
    known = {"imports": made["id"], "regions": "01", "organisations": "acme"}
    for kind in ("project", "forecast", "area"):
        _, listed = await http.ask("GET", f"/{kind}s", by=ACME)
        known[f"{kind}s"] = listed["items"][0][f"{kind}_id"]

    known["deliveries"] = str(canonical_id("acme", "delivery", "D-1"))

    for path, operations in described("registry").document["paths"].items():
        if "get" not in operations or path.endswith(".csv"):
            continue
        asked = re.sub(r"{[^}]*}", known.get(path.split("/")[1], ""), path)
        if path == "/people":
            asked += f"?ids={person}"
        if path == "/counts":
            asked += "?region=01"
        for by in (ACME,) if path == "/deliveries/{id}" else (OPERATOR, ACME):
            status, told = await http.ask("GET", asked, by=by)
            if status == 403:  # persons of a company, to its key
                continue
            assert status == 200, (path, told)
            if isinstance(told, dict):
                assert told.get("items", told.get("features", [told])) != [], path


async def test_a_map_shows_what_the_list_shows(http: Http):
    """Point by point, page by page, and nothing of another's that the list would hide."""
    async with http.app.state.database.begin_work() as work:
        await handlers.judge([
            knock("project-added", a_project()),
            knock("project-added", a_project("open", visibility="forum"), by="client"),
            knock("project-added", a_project("shut"), by="client"),
            knock("forecast-updated", a_forecast("F-1", lat=60.2, lon=24.95)),
            knock("forecast-updated", a_forecast("F-2", project="open", price_eur_per_t=3.0),
                  by="client"),
            knock("forecast-updated", a_forecast("F-3", project="shut"), by="client"),
        ], work)  # fmt: skip

    features: list[dict[str, Any]] = []
    after = ""
    while after is not None:
        _, page = await http.ask("GET", f"/forecasts.geojson?limit=1&after={after}"
                                 if after else "/forecasts.geojson?limit=1", by=ACME)  # fmt: skip
        assert page["type"] == "FeatureCollection"
        features, after = features + page["features"], page["next"]
    assert http.last.content_type == "application/geo+json"

    _, listed = await http.ask("GET", "/forecasts", by=ACME)
    assert [one["id"] for one in features] == [one["forecast_id"] for one in listed["items"]]
    mine, theirs = features
    assert mine["geometry"] == {"type": "Point", "coordinates": [24.95, 60.2]}
    assert mine["properties"]["precision"] == "exact"
    assert theirs["properties"]["precision"] == "municipality"
    assert "price_eur_per_t" not in theirs["properties"]


async def test_pages_go_on_without_a_gap(http: Http):
    """Every forecast once, however small the page."""
    async with http.app.state.database.begin_work() as work:
        await handlers.judge([
            knock("project-added", a_project()),
            *[knock("forecast-updated", a_forecast(f"F-{n}")) for n in range(25)],
        ], work)  # fmt: skip

    found: list[str] = []
    after = ""
    while True:
        _, page = await http.ask("GET", f"/forecasts?limit=10{after}", by=ACME)
        found += [each["forecast_id"] for each in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert len(found) == len(set(found)) == 25
    project = (await http.ask("GET", "/projects", by=ACME))[1]["items"][0]["project_id"]
    _, of_project = await http.ask("GET", f"/forecasts?project={project}&limit=200", by=ACME)
    assert len(of_project["items"]) == 25


async def test_a_forecast_bears_its_reporters_own_id_for_who_reports_there(http: Http):
    """Loads are told against it by that id; who only reads is not told what others call it."""
    await hand_in(http, "project-added", a_project())
    await hand_in(http, "forecast-updated", a_forecast("F-7"))
    for asker, own in ((ACME, "F-7"), (ACMES_COORDINATOR, "F-7"), (UUSIMAA, None)):
        _, page = await http.ask("GET", "/forecasts", by=asker)
        (told,) = page["items"]
        assert told.get("external_id") == own


async def test_one_thing_has_its_revision_as_its_tag(http: Http):
    """What has not changed is not sent again."""
    _, receipt = await hand_in(http, "project-added", a_project())
    path = f"/projects/{receipt['canonical']['id']}"
    status, told = await http.ask("GET", path, by=ACME)
    tag = http.last.headers["ETag"]
    assert (status, tag, told["revision"]) == (200, '"1"', 1)
    assert (await http.ask("GET", path, by=ACME, headers={"If-None-Match": tag}))[0] == 304
    await hand_in(http, "project-updated", a_project(title="New"))
    assert (await http.ask("GET", path, by=ACME, headers={"If-None-Match": tag}))[0] == 200


async def test_everybody_known_may_ask_what_figures_rest_on(http: Http):
    """Defaults with their tags, rules with their days, papers with their names."""
    status, told = await http.ask("GET", "/defaults", by=ACME)
    fees = {one["id"]: one for one in told["items"]}
    assert status == 200
    assert fees["gate_clean_clay"]["unit"].startswith("EUR/t")
    assert fees["gate_clean_clay"]["tag"] == "unverified"
    assert fees["clay.t_per_m3ktr"]["confidence"] == "medium"
    _, some = await http.ask("GET", "/defaults?tag=sourced", by=ACMES_READER)
    assert {one["tag"] for one in some["items"]} == {"sourced"}

    _, rules = await http.ask("GET", "/rules?on=2025-12-31", by=ACME)
    then = {one["id"]: one["version"] for one in rules["items"]}
    assert (then["mara"], then["authority"]) == ("843-2017", "ely")
    _, every = await http.ask("GET", "/rules", by=ACME)
    assert any(one["slot"] for one in every["items"])

    _, papers = await http.ask("GET", "/papers", by=ACME)
    document = next(one for one in papers["items"] if one["id"] == "transfer_document")
    assert document["names"]["fi"] == "siirtoasiakirja"
    assert {"waste_code", "carrier"} <= {each["id"] for each in document["fields"]}


async def test_the_door_computes_the_class_and_refuses_a_better_one(http: Http):
    """Over HTTPS: the receipt tells the substance, and what is kept names it."""
    await hand_in(http, "project-added", a_project())
    status, told = await hand_in(
        http, "forecast-updated", a_forecast(lab_results={"Pb": 800}, contamination="P0")
    )
    assert status == 422
    assert "Pb" in json.dumps(told)
    assert "contamination_better_than_results" in json.dumps(told)
    status, _ = await hand_in(http, "forecast-updated", a_forecast(lab_results={"Pb": 800}))
    assert status == 202
    _, kept = await http.ask("GET", "/forecasts", by=ACME)
    assert "P3" in json.dumps(kept)


async def test_no_route_answers_without_a_token(http: Http):
    """Every route but tokens, keys and open data asks who asks: also one that is added tomorrow."""
    asked = 0
    for path, operations in http.app.openapi()["paths"].items():
        if path in ("/tokens", "/keys", "/open/forecasts"):
            continue
        for method in operations:
            one = path.replace("{token}", "acme").replace("{owner}", "acme")
            one = re.sub(r"\{\w+\}", str(UUID(int=0)), one)
            told = {} if method in ("post", "patch") else None
            status, problem = await http.ask(method.upper(), one, json=told)
            assert (status, problem["code"]) == (401, "not_known"), (method, path)
            asked += 1
    assert asked >= 26


async def test_suspended_organisations_keep_no_open_door(http: Http):
    """The card asks which doors are open."""
    service = build(http.settings)
    database = http.app.state.database
    await http.ask("POST", "/organisations/acme/keys", by=OPERATOR,
                   json={"kind": "nats", "public_key": "U" + "C" * 55})  # fmt: skip
    assert await service.takes_in.organisations(database) == ["acme"]
    await http.ask("PATCH", "/organisations/acme", by=UUSIMAA, json={"status": "suspended"})
    assert await service.takes_in.organisations(database) == []
    assert (await http.ask("PATCH", "/organisations/acme", by=ACMES_COORDINATOR,
                           json={"status": "active"}))[0] == 403  # fmt: skip


OPEN = {
    "accepts_acid_sulphate", "accepts_unknown_quality", "acid_sulphate", "amount_as_of",
    "contamination", "contamination_basis", "direction", "forecast_id", "invasive_status",
    "material", "max_contamination", "meets", "net_of_own_use", "organisation", "phase", "place",
    "project_id", "quality", "quantity", "region", "reliability", "reporter", "revision",
    "sample", "site_kind", "status", "updated_at", "visibility", "waste_status", "window",
}  # fmt: skip


async def test_open_data_is_what_its_owner_made_public_and_no_more(http: Http):
    """Exactly these fields, without a credential: no prices, contacts or ids of the owner's own."""
    async with http.app.state.database.begin_work() as work:
        await handlers.judge([
            knock("project-added", a_project("P-1")),
            knock("forecast-updated", a_forecast("F-1", visibility="public", price_eur_per_t=4)),
            knock("forecast-updated", a_forecast("F-2", visibility="forum")),
            knock("forecast-updated", a_forecast("F-3")),
        ], work)  # fmt: skip
    status, told = await http.ask("GET", "/open/forecasts")
    assert (status, len(told["items"])) == (200, 1)
    (one,) = told["items"]
    assert one.keys() == OPEN


async def test_loads_are_told_again_as_they_were_told_by_who_told_them(http: Http):
    """All that was told comes back under the reporter's own id; nobody else's hears of them."""
    await hand_in(http, "project-added", a_project())
    await hand_in(http, "forecast-updated", a_forecast())
    load = a_delivery(vehicle="4-axle", waybill="W-1", unit="m3ktr")
    _, receipt = await hand_in(http, "delivery-reported", load)
    path = f"/deliveries/{receipt['canonical']['id']}"
    for asker in (NORTH, UUSIMAA, OPERATOR, ACMES_READER):
        status, body = await http.ask("GET", path, by=asker)
        assert (status, body["code"]) == (404, "delivery_unknown")

    _, known = await http.ask("GET", path, by=ACMES_COORDINATOR)
    assert (known["external_id"], known["revision"]) == ("D-1", 1)
    assert {name: known["told"][name] for name in load if name != "external_id"} == {
        name: told for name, told in load.items() if name != "external_id"
    }
    again = {**known["told"], "external_id": known["external_id"], "quantity": 20, "unit": "t"}
    status, receipt = await hand_in(http, "delivery-reported", again)
    assert (receipt["code"], receipt["canonical"]["revision"]) == ("taken", 2)
    _, known = await http.ask("GET", path, by=ACME)
    assert known["told"]["quantity"] == 20 and known["told"]["waybill"] == "W-1"
