"""The registry's forecasts to confirm, its duplicates, and its projects without masses."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from services.portal.domain.upkeep import Coming, Early, Mass, Twice
from services.portal.gateways.backends import Backend, Denied, moment

ASKED = 200
PAGES = 5


class Upkeep(Backend):
    """Asks the registry, and tells it what a person decided."""

    @classmethod
    def at(cls, registry: Backend) -> "Upkeep":
        """That of the *registry* that is asked already."""
        return cls(registry.name, registry.url, registry.session, registry.timeout.total or 0)

    async def waiting(self, region: str, token: str) -> Mapping[str, int]:
        """How much of *region* waits, under the names of the pages where it is done."""
        told = (await self.get("/counts", token, region=region)).body
        return {
            "confirm": int(told["to_confirm"]),
            "duplicates": int(told["duplicates"]),
            "calls": int(told["to_call"]),
        }

    async def to_confirm(self, region: str, token: str) -> tuple[Sequence[Mass], bool]:
        """Forecasts whose owner was asked whether they hold, and whether there are more."""
        answer = await self.get("/forecasts", token, region=region, asked="true", limit=ASKED)
        return [_mass(one) for one in answer.items], answer.body.get("next") is not None

    async def asked(self, forecast: str, token: str) -> Mass | None:
        """The one *forecast*, where its owner is asked whether it holds and the reader sees it."""
        try:
            told = (await self.get(f"/forecasts/{forecast}", token)).body
        except Denied as error:
            if error.status != 404:
                raise
            return None
        found = _mass(told)
        return found if found.asked_on else None

    async def confirm(self, forecasts: Sequence[str], token: str) -> tuple[int, int]:
        """How many of *forecasts* were confirmed, and how many were not this reader's."""
        told = (await self.post("/forecasts/confirm", {"forecasts": list(forecasts)}, token)).body
        return len(told["confirmed"]), len(told["left_out"])

    async def twice(self, region: str, token: str, state: str) -> Sequence[Twice]:
        """Pairs that may be one mass, the most alike first."""
        answer = await self.get("/duplicates", token, region=region, state=state, limit=ASKED)
        return [_twice(one) for one in answer.items]

    async def decide(self, decision: str, counts: str, duplicate: str, token: str) -> None:
        """Link a pair so that *counts* counts, refuse it, or take either back."""
        told = {"decision": decision, "counts": counts, "duplicate": duplicate}
        await self.post("/duplicates", told, token)

    async def to_call(self, region: str, token: str) -> tuple[Sequence[Coming], bool]:
        """Projects seen coming without any masses told, and whether there are more."""
        found: list[Coming] = []
        after: str | None = None
        for _ in range(PAGES):
            answer = await self.get(
                "/projects", token, region=region, without="forecasts", after=after, limit=ASKED
            )
            found += [_coming(one) for one in answer.items]
            after = answer.body.get("next")
            if after is None:
                break
        return found, after is not None

    async def members(self, organisation: str, token: str) -> Sequence[tuple[str, str]]:
        """Name and mail address of each member of *organisation*."""
        answer = await self.get(f"/organisations/{organisation}/members", token)
        return [(str(one["name"]), str(one["email"])) for one in answer.items if one.get("email")]


def _mass(told: Mapping[str, Any]) -> Mass:
    fresh = told.get("freshness") or {}
    asked = moment(fresh.get("asked_at"))
    amount = told["quantity"]
    likely = amount["likely_t"]
    return Mass(
        id=str(told["forecast_id"]),
        organisation=str(told["organisation"]),
        reporter=str(told["reporter"]),
        direction=str(told["direction"]),
        material=str(told["material"]),
        tonnes=round(likely),
        municipality=str(told["place"]["municipality"]),
        first=date.fromisoformat(told["window"]["first"]),
        last=date.fromisoformat(told["window"]["last"]),
        status=str(told["status"]),
        asked_on=asked.date() if asked else None,
        stale=bool(fresh.get("stale")),
        low=round(amount.get("low_t", likely)),
        high=round(amount.get("high_t", likely)),
    )


def _twice(told: Mapping[str, Any]) -> Twice:
    one, other = told["forecasts"]
    decided = moment(told.get("decided_at"))
    return Twice(
        one=_mass(one),
        other=_mass(other),
        why=told["reasons"],
        state=str(told["state"]),
        counts=told.get("counts"),
        by=told.get("decided_by"),
        on=decided.date() if decided else None,
    )


def _coming(told: Mapping[str, Any]) -> Coming:
    window = told.get("window") or {}
    first, last = (
        date.fromisoformat(window[end]) if window.get(end) else None for end in ("first", "last")
    )
    return Coming(
        id=str(told["project_id"]),
        title=str(told["title"]),
        organisation=str(told["organisation"]),
        municipality=str(told["place"]["municipality"]),
        phase=str(told.get("phase") or ""),
        first=first,
        last=last,
        programme=str((told.get("programme") or {}).get("title") or ""),
        early=tuple(
            Early(str(one["direction"]), str(one["material"]), round(one["likely_t"]))
            for one in told.get("early_estimate") or ()
        ),
    )
