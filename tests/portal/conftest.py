"""The portal under uvicorn, a real provider, and small real servers that answer as the services."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvicorn
from aiohttp import web
from fastapi import FastAPI
from joserfc import jwt

from deploy.demo_oidc import DemoOidc, DemoPerson
from services.portal.app import build
from services.portal.settings import Settings
from shared.access import Asker, asker_of, new_signing_key, sign
from shared.http import application
from shared.vocabulary.regions import shipped
from tests.conftest import free_port

PEOPLE = (
    DemoPerson("aino", "Aino Esimerkki", "Massakoordinaattori, Kiviset"),
    DemoPerson("elsa", "Elsa <Seutu>", "Seudun koordinaattori"),
    DemoPerson("stranger", "Outi Outo", "ei jäsen"),
)
SECRET = "only-for-tests"
NAME = web.AppKey("name", str)


CHOSEN = {"language": None, "mail": True, "quiet_from": "22:00:00", "quiet_to": "06:00:00"}
"""What the notifier keeps of a person's choices."""


class AllIsWell:
    """The health of a portal without a broker."""

    async def problems(self) -> list[str]:
        return []


def a_match(**told: Any) -> dict[str, Any]:
    """A proposed match as the matcher tells it: moraine from Espoo to Vantaa."""
    first = date(2026, 5, 18)
    body = {
        "match_id": str(uuid.uuid4()),
        "revision": 1,
        "region": "99",
        "state": "proposed",
        "route": "direct",
        "surplus": {"organisation": "kiviset", "material": "till", "region": "99",
                    "forecast_id": str(uuid.uuid4()), "place": {"municipality": "049"}},
        "need": {"organisation": None, "material": "till", "region": "99",
                 "forecast_id": str(uuid.uuid4()), "place": {"municipality": "092"}},
        "tonnes": {"low": 3000, "likely": 3300, "high": 3600},
        "window": {"first": first.isoformat(), "last": (first + timedelta(27)).isoformat()},
        "distance_km": 17.42,
        "value": {"cents_per_t": 1234, "total_cents": 4_072_200, "compensation_cents_per_t": 150},
        "climate": {"saved_g_per_t": 2400},
        "reasons": [
            {"gate": "G1_contamination", "verdict": "pass", "offered": "P0", "wanted": "P0"},
            {"gate": "G2_waste_status", "verdict": "conditional", "offered": "unknown",
             "wanted": "known", "papers": ["by_product_decision"]},
        ],
        "delivered_t": 0,
        "left_t": None,
        "closed_by": None,
        "asks": ["kiviset", "soraset"],
        "accepted_by": [],
        "at": datetime.now(UTC).isoformat(),
        "born_at": "2026-05-04T06:30:00+00:00",
    }  # fmt: skip
    return {**body, **told}


def an_agreement(**told: Any) -> dict[str, Any]:
    """A match of Kiviset and Soraset that both have accepted: 3 300 t."""
    body = a_match(
        state="agreed", asks=[], accepted_by=["kiviset", "soraset"], left_t=3300, revision=3
    )
    body["need"]["organisation"] = "soraset"
    return {**body, **told}


def a_load(**told: Any) -> dict[str, Any]:
    """24,5 t weighed and counted, told by Kiviset."""
    return {
        "delivery_id": str(uuid.uuid4()), "revision": 1, "tonnes": 24.5, "material": "till",
        "moved_on": "2026-05-20", "method": "weighed", "organisation": "kiviset",
        "reporter": "kiviset", "outlet": "need_direct", "match_id": None, "waybill": "W-1",
        "haul_km": None, "vehicle": None, "energy": None, "refused": None, "under_match": True,
        **told,
    }  # fmt: skip


def an_own_forecast(**told: Any) -> dict[str, Any]:
    """1 000 t of moraine that Kiviset tells of itself; its owner is asked whether it holds."""
    return {
        "forecast_id": str(uuid.uuid4()), "external_id": "P-1/till", "organisation": "kiviset",
        "reporter": "kiviset", "direction": "surplus", "material": "till", "status": "offered",
        "place": {"municipality": "049"}, "quantity": {"likely_t": 1000},
        "window": {"first": "2026-05-18", "last": "2026-08-30"},
        "freshness": {"asked_at": "2026-05-04T06:30:00+00:00", "stale": False}, **told,
    }  # fmt: skip


def a_pair(**told: Any) -> dict[str, Any]:
    """The same mass told by Kiviset and by Soraset, who says 1 200 t."""
    other = an_own_forecast(reporter="soraset", organisation="soraset",
                            quantity={"likely_t": 1200})  # fmt: skip
    return {
        "forecasts": [an_own_forecast(), other], "score": 0.8, "state": "suggested",
        "reasons": {"distance_m": 111}, "decided_by": None, "decided_at": None, "counts": None,
        **told,
    }  # fmt: skip


def a_pair_told(**told: Any) -> dict[str, Any]:
    """A line on the desk: Kiviset's moraine was linked to a forecast that counts instead."""
    return {
        "id": str(uuid.uuid4()), "material": "till", "title": "moreeni 1 000 t, Espoo",
        "text": "on yhdistetty", "change": "linked", "unread": True, **told,
    }  # fmt: skip


def a_webhook(**told: Any) -> dict[str, Any]:
    """A webhook of Kiviset that took nothing for so long that it is disabled."""
    return {
        "id": str(uuid.uuid4()), "organisation": "kiviset", "url": "https://ours.example/hook?k=1",
        "events": ["match-found", "match-changed"], "status": "disabled",
        "reason": "HTTP 500", **told,
    }  # fmt: skip


def a_coming_project(**told: Any) -> dict[str, Any]:
    """A street in Espoo in 2027 of which only type and size are known."""
    return {
        "project_id": str(uuid.uuid4()), "title": "Kehäkatu <1>", "organisation": "kiviset",
        "place": {"municipality": "049"}, "phase": "detailed_plan",
        "window": {"first": "2027-04-01", "last": "2027-10-31"},
        "programme": {"title": "Katuohjelma 2027"},
        "early_estimate": [{"direction": "surplus", "material": "clay", "likely_t": 2400.0}],
        **told,
    }  # fmt: skip


def a_near_miss(**told: Any) -> dict[str, Any]:
    """Moraine of Kiviset that somebody in Vantaa could take, were it three weeks later."""
    one = a_match()
    return {
        "near_miss_id": str(uuid.uuid4()), "revision": 1, "state": "open", "region": "99",
        "surplus": one["surplus"], "need": one["need"], "gate": "G9_time",
        "remedies": [{"who": "surplus", "what": "window_later", "days": 21, "km": None,
                      "code": None}],
        "tonnes": {"low": 800, "likely": 800, "high": 800}, "value": {"total_cents": 512_300},
        "distance_km": 12.4, **told,
    }  # fmt: skip


def an_amount(tonnes: int) -> dict[str, int]:
    """Tonnes as the plan tells them."""
    return {"low": tonnes * 8 // 10, "likely": tonnes, "high": tonnes * 12 // 10,
            "expected": tonnes * 7 // 10}  # fmt: skip


def a_plan(first: str, *, rows: int = 1) -> dict[str, Any]:
    """One month of it, and as many *rows* of moraine from Espoo to Vantaa."""
    moved = {"tonnes": an_amount(1300), "tonne_km": 22646.0, "value_cents": 1_604_200,
             "saved_kg": 3120.0}  # fmt: skip
    nothing = {"tonnes": an_amount(0), "tonne_km": 0.0, "value_cents": 0, "saved_kg": 0.0}
    sums = {"moved": moved, "onsite": nothing,
            "unmatched": {"surplus": an_amount(5000), "need": an_amount(400)}}  # fmt: skip
    row = {"month": first, "material": "till", "from": "049", "to": "092", "route": "direct",
           "via": None, "state": "agreed", "matches": 1, **moved}  # fmt: skip
    return {"months": [{"month": first, **sums}], "totals": sums, "rows": [row] * rows,
            "areas": {}, "unmatched": []}  # fmt: skip


@dataclass
class Services:
    """Four small servers with just what the portal asks of them."""

    provider: DemoOidc
    key: Any = field(default_factory=new_signing_key)
    matches: list[dict[str, Any]] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    notices: list[dict[str, Any]] = field(default_factory=list)
    months: list[dict[str, Any]] = field(default_factory=list)
    figures: list[dict[str, Any]] = field(default_factory=list)
    decisions: list[tuple[str, dict[str, Any], dict[str, str]]] = field(default_factory=list)
    said: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    loads: list[dict[str, Any]] = field(default_factory=list)
    near: list[dict[str, Any]] = field(default_factory=list)
    openings: list[dict[str, Any]] = field(default_factory=list)
    plan_rows: int = 1
    forecasts: list[dict[str, Any]] = field(default_factory=list)
    twice: list[dict[str, Any]] = field(default_factory=list)
    coming: list[dict[str, Any]] = field(default_factory=list)
    upkept: list[dict[str, Any]] = field(default_factory=list)
    told_loads: dict[str, dict[str, Any]] = field(default_factory=dict)
    told_twice: list[dict[str, Any]] = field(default_factory=list)
    chosen: dict[str, Any] = field(default_factory=lambda: {**CHOSEN})
    webhooks: list[dict[str, Any]] = field(default_factory=list)
    handed: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    refuses: dict[str, Any] | None = None
    refused_with: int = 409
    down: set[str] = field(default_factory=set)
    hangs: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    urls: dict[str, str] = field(default_factory=dict)

    def asker(self, request: web.Request) -> Asker:
        return asker_of(request.headers["authorization"].removeprefix("Bearer "), self.key)

    async def tokens(self, request: web.Request) -> web.Response:
        told = await request.json()
        if told.get("key") == "mk_portal":
            asker = Asker("portal", "service")
        else:
            claims = jwt.decode(told["id_token"], self.provider.key, algorithms=["RS256"]).claims
            known = {"aino": Asker("p-aino", "person", {"kiviset": ("coordinator",)}, (), 3),
                     "elsa": Asker("p-elsa", "person", {}, ("99",), 1)}  # fmt: skip
            if claims["sub"] not in known or claims["sub"] in self.removed:
                return web.json_response({"code": "not_known"}, status=401)
            asker = known[claims["sub"]]
        return web.json_response(
            {
                "token": sign(asker, self.key),
                "expires_in": 300,
                "asker": {
                    "subject": asker.subject,
                    "kind": asker.kind,
                    "organisations": {name: list(r) for name, r in asker.organisations.items()},
                    "regions": list(asker.regions),
                    "session": asker.session,
                },
            }
        )

    async def regions(self, request: web.Request) -> web.Response:
        self.asker(request)
        rows = [{**one.to_json(), "places": len(one.places)} for one in shipped().values()]
        return web.json_response({"items": rows, "next": None, "as_of": None})

    async def region(self, request: web.Request) -> web.Response:
        self.asker(request)
        found = shipped().get(request.match_info["code"])
        if found is None:
            return web.json_response({"code": "region_unknown"}, status=404)
        return web.json_response(found.to_json())

    async def list_matches(self, request: web.Request) -> web.Response:
        asker = self.asker(request)
        organisation = request.query.get("organisation")
        region = request.query["region"]
        assert request.query["order"] == "newest"
        states = request.query.getall("state")
        rows = [
            one
            for one in self.matches
            if one["surplus"]["region"] == region
            and one["state"] in states
            and (
                asker.coordinates(region)
                or {*one["asks"], *one["accepted_by"]} & set(asker.organisations)
            )
            and (organisation is None or organisation in one["asks"] + one["accepted_by"])
        ]
        return self.answer({"items": rows[::-1][: int(request.query["limit"])], "next": None})

    async def counts(self, request: web.Request) -> web.Response:
        self.asker(request)
        agreed = [one for one in self.matches if one["state"] == "agreed"]
        proposed = [one for one in self.matches if one["state"] in ("proposed", "accepted")]
        return self.answer(
            {
                "open_lots": 14,
                "proposed": len(proposed),
                "proposed_t": sum(one["tonnes"]["likely"] for one in proposed),
                "agreed": len(agreed),
                "agreed_t": sum(one["tonnes"]["likely"] for one in agreed),
            }
        )

    def match_asked(self, request: web.Request) -> dict[str, Any] | None:
        """The match in the path, when the asker may see it."""
        asker, id = self.asker(request), request.match_info["id"]
        for one in self.matches:
            sides = {one[end]["organisation"] for end in ("surplus", "need")} | {*one["asks"]}
            if one["match_id"] == id and (
                asker.coordinates(one["region"]) or sides & set(asker.organisations)
            ):
                return one
        return None

    async def match(self, request: web.Request) -> web.Response:
        found = self.match_asked(request)
        if found is None:
            return web.json_response({"code": "match_not_found"}, status=404)
        return web.json_response(found)

    async def list_said(self, request: web.Request) -> web.Response:
        self.asker(request)
        items = self.said.get(request.match_info["id"], [])
        return web.json_response({"items": items, "next": None})

    async def decide(self, request: web.Request) -> web.Response:
        told = await request.json()
        match = next(one for one in self.matches if one["match_id"] == request.match_info["id"])
        self.decisions.append((match["match_id"], told, dict(request.headers)))
        if self.refuses is not None:
            return web.json_response(self.refuses, status=409)
        if request.headers["If-Match"] != f'"{match["revision"]}"':
            changed = [
                {"field": "revision", "was": 1, "now": 2},
                {"field": "tonnes", "was": 6200, "now": match["tonnes"]["likely"]},
            ]
            body = {"code": "match_changed", "match": match, "changed": changed}
            return web.json_response(body, status=409)
        match["revision"] += 1
        mine, window = told["organisation"], told.get("window") or {}
        self.said.setdefault(match["match_id"], []).append(
            {"organisation": mine, "decision": told["decision"], "at": "2026-05-04T07:42:00+00:00",
             "reason": told.get("reason"), "note": told.get("note"), "tonnes": told.get("tonnes"),
             "first": window.get("first"), "last": window.get("last"), "revision": 2}
        )  # fmt: skip
        match told["decision"]:
            case "accept":
                match["asks"] = [one for one in match["asks"] if one != mine]
                match["accepted_by"] = [*match["accepted_by"], mine]
                match["state"] = "accepted" if match["asks"] else "agreed"
                match["left_t"] = None if match["asks"] else match["tonnes"]["likely"]
            case "counter":
                match["tonnes"] = {"likely": told["tonnes"]}
                match["window"] = window or match["window"]
                match["asks"] = [one for one in ("kiviset", "soraset") if one != mine]
                match["accepted_by"], match["state"] = [mine], "accepted"
                match["need"]["organisation"] = "soraset"
            case "undo":
                match["asks"], match["accepted_by"] = ["kiviset", "soraset"], []
                match["state"] = "proposed"
            case "close":
                match["state"], match["closed_by"] = "done", mine
            case _:
                match["state"], match["asks"] = "declined", []
                match["decline_reason"] = told.get("reason")
        return self.answer({"match": match})

    async def deliver(self, request: web.Request) -> web.Response:
        told, match = await request.json(), self.match_asked(request)
        assert match is not None
        if self.refuses is not None:
            said = self.refuses[request.headers["Accept-Language"]]
            return web.json_response(said, status=422)
        key = request.headers["Idempotency-Key"]
        if key not in self.keys:
            id, mine = told.pop("delivery_id", None), told.pop("organisation")
            twice = any(
                one["waybill"] == told.get("waybill") and one["reporter"] != mine
                for one in self.loads
            )
            refused = "waybill_told_already" if twice and told.get("waybill") else None
            found = next((one for one in self.loads if one["delivery_id"] == id), None)
            if found is None:
                found = a_load(waybill=None, reporter=mine, match_id=match["match_id"])
                self.loads.append(found)
            found |= {**told, "refused": refused}
            self.keys[key] = found
            match["delivered_t"] = sum(
                one["tonnes"] for one in self.loads
                if one["match_id"] == match["match_id"] and not one["refused"]
            )  # fmt: skip
            match["left_t"] = match["tonnes"]["likely"] - match["delivered_t"]
            match["state"] = "moving"
            match["revision"] += 1
        return web.json_response({**self.keys[key], **self.balance_of(match)})

    def balance_of(self, match: dict[str, Any]) -> dict[str, Any]:
        carried = match["state"] in ("agreed", "moving", "done")
        return {"state": match["state"], "delivered_t": match["delivered_t"],
                "agreed_t": match["tonnes"]["likely"] if carried else None,
                "left_t": match["left_t"] if carried else None}  # fmt: skip

    async def loads_of_match(self, request: web.Request) -> web.Response:
        match = self.match_asked(request)
        assert match is not None
        items = [one for one in self.loads if one["match_id"] == match["match_id"]]
        return web.json_response({"items": items, **self.balance_of(match), "next": None})

    async def list_loads(self, request: web.Request) -> web.Response:
        self.asker(request)
        assert request.query["order"] == "newest"
        only_refused = request.query.get("refused") == "true"
        items = [one for one in self.loads[::-1] if one["refused"] or not only_refused]
        return web.json_response({"items": items, "next": None})

    async def list_near(self, request: web.Request) -> web.Response:
        self.asker(request)
        return self.answer({"items": self.near, "next": None})

    async def list_openings(self, request: web.Request) -> web.Response:
        self.asker(request)
        known = {one["surplus"]["forecast_id"] for one in self.near}
        if request.match_info["forecast"] not in known:
            return web.json_response({"code": "lot_not_found"}, status=404)
        return self.answer({"items": self.openings})

    async def plan(self, request: web.Request) -> web.Response:
        self.asker(request)
        if self.plan_rows > 1000:
            return web.json_response({"code": "plan_too_large"}, status=413)
        return self.answer(a_plan(request.query["from"], rows=self.plan_rows))

    async def organisations(self, request: web.Request) -> web.Response:
        self.asker(request)
        items = [{"token": "kiviset", "title": "Kiviset Oy"},
                 {"token": "soraset", "title": "Soraset <Oy>"}]  # fmt: skip
        return web.json_response({"items": items, "next": None})

    async def list_forecasts(self, request: web.Request) -> web.Response:
        self.asker(request)
        asked = request.query.get("asked") == "true"
        items = [one for one in self.forecasts if one.get("freshness") or not asked]
        return web.json_response({"items": items, "next": None})

    async def waiting(self, request: web.Request) -> web.Response:
        self.asker(request)
        asked = sum("asked_at" in one.get("freshness", ()) for one in self.forecasts)
        suggested = sum(one["state"] == "suggested" for one in self.twice)
        return web.json_response(
            {"to_confirm": asked, "duplicates": suggested, "to_call": len(self.coming)}
        )

    async def list_twice(self, request: web.Request) -> web.Response:
        self.asker(request)
        items = [one for one in self.twice if one["state"] == request.query["state"]]
        return web.json_response({"items": items, "next": None})

    async def list_coming(self, request: web.Request) -> web.Response:
        self.asker(request)
        assert request.query["without"] == "forecasts"
        return web.json_response({"items": self.coming, "next": None})

    async def list_members(self, request: web.Request) -> web.Response:
        if request.match_info["token"] not in self.asker(request).organisations:
            return web.json_response({"code": "not_allowed"}, status=403)
        item = {"name": "Matti <Malli>", "email": "matti@example.fi"}
        return web.json_response({"items": [item], "next": None})

    async def keep_up(self, request: web.Request) -> web.Response:
        """A confirmation or a decision on a pair, taken unless *refuses*."""
        self.asker(request)
        told = await request.json()
        if self.refuses is not None:
            return web.json_response(self.refuses, status=self.refused_with)
        self.upkept.append(told)
        for one in self.forecasts:
            if one["forecast_id"] in told.get("forecasts", ()):
                one.pop("freshness", None)
        for pair in self.twice:
            if {one["forecast_id"] for one in pair["forecasts"]} == {
                told.get("counts"), told.get("duplicate")
            }:  # fmt: skip
                states = {"link": "linked", "refuse": "refused", "unlink": "suggested"}
                pair["state"] = states[told["decision"]]
                pair |= {"decided_by": "person/p-aino", "counts": told["counts"],
                         "decided_at": "2026-05-06T10:00:00+00:00"}  # fmt: skip
        return web.json_response({"confirmed": told.get("forecasts"), "left_out": []})

    async def told_load(self, request: web.Request) -> web.Response:
        self.asker(request)
        found = self.told_loads.get(request.match_info["id"])
        if found is None:
            return web.json_response({"code": "delivery_unknown"}, status=404)
        return web.json_response(found)

    async def intake(self, request: web.Request) -> web.Response:
        event = await request.json()
        if self.refuses is not None:
            return web.json_response(self.refuses, status=422)
        assert request.content_type == "application/cloudevents+json"
        self.handed[event["id"]] = (request.query["organisation"], event)
        return web.json_response({"verdict": "accepted"}, status=202)

    async def balance(self, request: web.Request) -> web.Response:
        self.asker(request)
        half = len(self.months) // 2
        after = request.query.get("after")
        rows = self.months[half:] if after else self.months[:half]
        return self.answer({"items": rows, "next": None if after else "more"})

    async def list_figures(self, request: web.Request) -> web.Response:
        self.asker(request)
        return self.answer({"items": self.figures, "next": None})

    async def inbox(self, request: web.Request) -> web.Response:
        assert self.asker(request).kind == "person"
        return self.answer({"items": self.entries, "next": None})

    async def list_notices(self, request: web.Request) -> web.Response:
        assert self.asker(request).kind == "person"
        assert request.query["region"]
        language = request.query["language"]
        items = [{**one, "text": f"{one['text']} ({language})"} for one in self.notices]
        return self.answer({"items": items, "next": None})

    async def list_told_twice(self, request: web.Request) -> web.Response:
        assert self.asker(request).kind == "person"
        return self.answer({"items": self.told_twice, "next": None})

    async def read_told_twice(self, request: web.Request) -> web.Response:
        read = [one for one in self.told_twice if one["id"] == request.match_info["id"]]
        self.told_twice = [one for one in self.told_twice if one not in read]
        return web.json_response({"id": ""}, status=200 if read else 404)

    async def preferences(self, request: web.Request) -> web.Response:
        assert self.asker(request).kind == "person"
        if request.method == "PUT":
            self.chosen = await request.json()
        return web.json_response(self.chosen)

    async def list_webhooks(self, request: web.Request) -> web.Response:
        self.asker(request)
        return self.answer({"items": self.webhooks, "next": None})

    async def enable(self, request: web.Request) -> web.Response:
        self.asker(request)
        found = [one for one in self.webhooks if one["id"] == request.match_info["id"]]
        if not found:
            return web.json_response({"code": "not_found"}, status=404)
        found[0] |= {**await request.json(), "reason": None}
        return web.json_response(found[0])

    def answer(self, body: dict[str, Any]) -> web.Response:
        return web.json_response({**body, "as_of": "2026-05-04T07:42:00+00:00"})

    @web.middleware
    async def mood(self, request: web.Request, handler: Any) -> Any:
        name = request.app[NAME]
        self.asked.append(f"{name} {request.path}")
        if name in self.hangs:
            await asyncio.sleep(5)
        if name in self.down:
            return web.json_response({"code": "database_away"}, status=503)
        return await handler(request)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Services"]:
        routes = {
            "registry": [
                web.post("/tokens", self.tokens),
                web.get("/regions", self.regions),
                web.get("/regions/{code}", self.region),
                web.get("/organisations", self.organisations),
                web.get("/forecasts", self.list_forecasts),
                web.post("/forecasts/confirm", self.keep_up),
                web.get("/counts", self.waiting),
                web.get("/duplicates", self.list_twice),
                web.post("/duplicates", self.keep_up),
                web.get("/projects", self.list_coming),
                web.get("/organisations/{token}/members", self.list_members),
                web.post("/intake", self.intake),
                web.get("/deliveries/{id}", self.told_load),
            ],
            "matcher": [
                web.get("/matches", self.list_matches),
                web.get("/counts", self.counts),
                web.get("/matches/{id}", self.match),
                web.get("/matches/{id}/decisions", self.list_said),
                web.post("/matches/{id}/decisions", self.decide),
                web.get("/matches/{id}/deliveries", self.loads_of_match),
                web.post("/matches/{id}/deliveries", self.deliver),
                web.get("/deliveries", self.list_loads),
                web.get("/near-misses", self.list_near),
                web.get("/openings/{forecast}", self.list_openings),
                web.get("/plan", self.plan),
            ],
            "indicators": [
                web.get("/balance", self.balance),
                web.get("/figures", self.list_figures),
            ],
            "notifier": [
                web.get("/inbox", self.inbox),
                web.get("/notices", self.list_notices),
                web.get("/inbox/duplicates", self.list_told_twice),
                web.post("/inbox/duplicates/{id}/read", self.read_told_twice),
                web.get("/preferences", self.preferences),
                web.put("/preferences", self.preferences),
                web.get("/webhooks", self.list_webhooks),
                web.patch("/webhooks/{id}", self.enable),
            ],
        }
        runners = []
        for name, table in routes.items():
            app = web.Application(middlewares=[self.mood])
            app[NAME] = name
            app.add_routes(table)
            runner = web.AppRunner(app, shutdown_timeout=0.1)
            await runner.setup()
            port = free_port()
            await web.TCPSite(runner, "127.0.0.1", port).start()
            self.urls[name] = f"http://127.0.0.1:{port}"
            runners.append(runner)
        yield self
        for runner in runners:
            await runner.cleanup()


@dataclass
class Portal:
    """A running portal: its address, its application, and how it hears a signal."""

    url: str
    app: FastAPI
    service: Any
    server: uvicorn.Server

    async def hears(self, service: str, topic: str, region: str = "99", **more: Any) -> None:
        """What the run loop does with a message of `signals.>`."""
        organisation = more.pop("organisation", "-")
        body = {"id": "", "revision": 1, "origin": "", **more}
        subject = f"signals.{service}.{topic}.{region}.{organisation}"
        await self.service.listens(self.app, subject, json.dumps(body).encode())


@asynccontextmanager
async def serving(server: uvicorn.Server) -> AsyncIterator[None]:
    """*server* as a task of this loop, stopped at the end."""
    server.config.install_signal_handlers = False  # type: ignore[attr-defined]
    task = asyncio.create_task(server._serve())
    while not server.started:
        assert not task.done(), "the server did not start"
        await asyncio.sleep(0.01)
    yield
    server.should_exit = True
    await task


@asynccontextmanager
async def a_portal(
    services: Services, folder: Path, port: int, **told: Any
) -> AsyncIterator[Portal]:
    """The portal on *port*, over *services*."""
    (folder / "key").write_text("mk_portal\n")
    (folder / "cookie").write_text("a secret of tests, longer than thirty-two signs\n")
    settings = Settings(
        registry_url=services.urls["registry"],
        portal_matcher_url=services.urls["matcher"],
        portal_indicators_url=services.urls["indicators"],
        portal_notifier_url=services.urls["notifier"],
        portal_oidc_issuer=services.provider.issuer,
        portal_oidc_client_secret=SECRET,
        portal_cookie_key_file=folder / "cookie",
        service_key_file=folder / "key",
        **{"portal_beat_s": 1.0, "portal_renew_s": 0.0, "portal_backend_timeout_s": 1.0, **told},
    )
    service = build(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await service.on_start(app)
        yield
        await service.on_stop(app)

    app = application(
        name="portal", router=service.api, database=None, public_key=None,
        health=AllIsWell(), settings=settings, lifespan=lifespan,
    )  # fmt: skip
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_config=None, timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    async with serving(server):
        yield Portal(f"http://127.0.0.1:{port}", app, service, server)
        await service.on_stop(app)  # as the run loop does, before the server waits for streams


@pytest.fixture(scope="session")
def provider_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the provider keeps its key: an RSA key takes its time to make."""
    return tmp_path_factory.mktemp("oidc") / "key.jwk"


@pytest.fixture(scope="session")
async def provider_running(provider_key: Path) -> AsyncIterator[DemoOidc]:
    """The demo's provider, on loopback, once a run."""
    port = free_port()
    made = DemoOidc(
        f"http://127.0.0.1:{port}", "massakoppi-portal", SECRET, [], PEOPLE, provider_key
    )
    async with serving(made.server("127.0.0.1", port)):
        yield made


@pytest.fixture
def provider(provider_running: DemoOidc) -> DemoOidc:
    """The demo's provider, as if just started."""
    provider_running.redirect_uris = []
    provider_running.codes.clear()
    return provider_running


@pytest.fixture
async def services(provider: DemoOidc) -> AsyncIterator[Services]:
    """The four services, with a year of balance, a few figures and one match."""
    made = Services(provider)
    made.matches.append(a_match())
    now = datetime.now(UTC)
    start = now.year * 12 + now.month - 3
    for step in range(12):
        year, month = divmod(start + step, 12)
        made.months += [
            {"month": f"{year}-{month + 1:02d}", "material": material,
             "surplus_t": round(share * (9000 + 5200 * ((step * 7) % 5)), 1),
             "need_t": round(share * (7000 + 6100 * ((step * 3) % 4)), 1)}
            for material, share in (("till", 0.6), ("clay", 0.4))
        ]  # fmt: skip
    for name, unit, value in (
        ("K1a", "share 0..1", 0.4321), ("K1b", "share 0..1", 0.51), ("K2", "share 0..1", None),
        ("K3", "t", -31250.4), ("K4", "t", 18250.0), ("K5", "tkm", 254300.0), ("K6", "km", 17.38),
        ("K7", "t CO2e", 61.2), ("K8", "EUR, VAT 0", 143200.0),
    ):  # fmt: skip
        made.figures += [
            {"indicator": name, "unit": unit, "state": state, "projection": True,
             "value": None if value is None else value * part, "counterfactual": "CF-1",
             "unverified_share": 0.82}
            for state, part in (("forecast", 1.0), ("proposed", 0.72), ("agreed", 0.31))
        ]  # fmt: skip
    async with made.running():
        yield made


@pytest.fixture
async def portal(services: Services, tmp_path: Path) -> AsyncIterator[Portal]:
    """The portal over the four services."""
    port = free_port()
    services.provider.redirect_uris = [f"http://127.0.0.1:{port}/callback"]
    async with a_portal(services, tmp_path, port) as running:
        yield running


@pytest.fixture
async def browser() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client that keeps cookies, as a browser without scripts."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar, headers={"Accept-Language": "fi"}) as made:
        yield made


async def sign_in(browser: aiohttp.ClientSession, portal: Portal, who: str = "aino") -> Any:
    """Sign *who* in as a person would; the last answer."""
    async with browser.get(f"{portal.url}/login", allow_redirects=False) as answer:
        to = answer.headers["Location"]
    async with browser.get(to + f"&as={who}") as answer:
        await answer.text()
        return answer
