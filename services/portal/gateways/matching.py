"""The matcher: matches, decisions, loads, near misses and the plan, as the pages read them."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from services.portal.domain.near import Change, NearRow, Opening
from services.portal.domain.outlook import Plan, PlanMonth, PlanRow, Tonnes
from services.portal.domain.rows import Counts, MatchRow
from services.portal.domain.whole import End, LoadRow, Loads, Said, WholeMatch, Why
from services.portal.gateways.backends import BOUNDED, Backend, moment

NEAR_ASKED = 100
LOADS_ASKED = 100


class Matcher(Backend):
    """Matches, and decisions on them."""

    async def matches(
        self,
        region: str,
        token: str,
        *,
        states: Sequence[str],
        organisation: str | None = None,
        limit: int = 200,
    ) -> tuple[Sequence[MatchRow], datetime | None]:
        """The latest matches of *region* in *states* that the bearer of *token* may see."""
        answer = await self.get(
            "/matches", token, region=region, organisation=organisation, state=states,
            order="newest", limit=limit,
        )  # fmt: skip
        return [match_row(each) for each in answer.items], answer.as_of

    async def counts(
        self, region: str, token: str, *, bounded: bool
    ) -> tuple[Counts, datetime | None]:
        """
        How many lots are open and matches stand in *region*, without saying whose.

        *bounded*: as anybody may be told it; `Denied` with 403 where too few take part.
        """
        answer = await self.get("/counts", token, region=region, bounded=BOUNDED[bounded])
        told = answer.body
        counts = Counts(
            int(told["open_lots"]),
            int(told["proposed"]),
            float(told["proposed_t"]),
            int(told["agreed"]),
            float(told["agreed_t"]),
        )
        return counts, answer.as_of

    async def match(self, id: str, token: str) -> WholeMatch:
        """One match as it is now; `Denied` with 404 when it is not for this reader."""
        return whole_match((await self.get(f"/matches/{id}", token)).body)

    async def said(self, id: str, token: str) -> Sequence[Said]:
        """What each side has said to a match, in its order, as far as this reader may know."""
        return [
            Said(
                str(one["organisation"]), str(one["decision"]), moment(one.get("at")),
                one.get("reason"), one.get("note"), one.get("tonnes"),
                _day(one.get("first")), _day(one.get("last")),
            )
            for one in await self.every(f"/matches/{id}/decisions", token)
        ]  # fmt: skip

    async def decide(
        self, id: str, token: str, *, decision: str, revision: int, key: str,
        organisation: str, told: Mapping[str, Any], tab: str,
    ) -> None:  # fmt: skip
        """
        Decide for *organisation*; the same *key* twice is one decision. `Denied` with 409.

        *told* is what a decision may say beside: reason, note, tonnes, window.
        """
        body = {**told, "decision": decision, "organisation": organisation}
        headers = {"If_Match": f'"{revision}"', "Idempotency_Key": key, "X_Tab": tab}
        await self.post(f"/matches/{id}/decisions", body, token, **headers)

    async def loads(self, id: str, token: str) -> Loads:
        """The loads of a match and the balance of its agreement."""
        rows: list[LoadRow] = []
        async for answer in self.pages(f"/matches/{id}/deliveries", token):
            told = answer.body  # the balance of all, on every page
            rows += [load_row(one) for one in answer.items]
        rows.sort(key=lambda row: row.moved_on, reverse=True)
        return Loads(
            tuple(rows), str(told["state"]), _number(told.get("agreed_t")),
            float(told["delivered_t"]), _number(told.get("left_t")),
        )  # fmt: skip

    async def report(
        self, id: str, token: str, load: Mapping[str, Any], *, key: str, tab: str, language: str
    ) -> LoadRow:
        """
        Report loads of a match, once under each *key*; the loads as they then are.

        `Denied` with reasons in *language*.
        """
        headers = {"Idempotency_Key": key, "X_Tab": tab, "Accept_Language": language}
        return load_row((await self.post(f"/matches/{id}/deliveries", load, token, **headers)).body)

    async def reported(
        self, region: str, token: str, *, refused: bool | None, after: str | None
    ) -> tuple[Sequence[LoadRow], str | None]:
        """The newest loads of *region* that the reader may see, and where the list goes on."""
        answer = await self.get(
            "/deliveries", token, region=region, order="newest", after=after, limit=LOADS_ASKED,
            refused=None if refused is None else str(refused).lower(),
        )  # fmt: skip
        return [load_row(one) for one in answer.items], answer.body.get("next")

    async def near_misses(
        self, region: str, token: str
    ) -> tuple[Sequence[NearRow], bool, datetime | None]:
        """What almost fits in *region*, worth most first; and whether there is more."""
        answer = await self.get("/near-misses", token, region=region, limit=NEAR_ASKED)
        rows = [near_row(one) for one in answer.items]
        return rows, answer.body.get("next") is not None, answer.as_of

    async def openings(
        self, forecast: str, token: str
    ) -> tuple[Sequence[Opening], datetime | None]:
        """What one change of *forecast* would open, best first; `Denied` when it is another's."""
        answer = await self.get(f"/openings/{forecast}", token)
        found = [
            Opening(
                _change(one["change"]), int(one["tonnes"]), int(one["total_cents"]),
                int(one["partners"]),
            )
            for one in answer.items
        ]  # fmt: skip
        return found, answer.as_of

    async def plan(
        self, region: str, token: str, first: str, last: str
    ) -> tuple[Plan, datetime | None]:
        """What moves in *region* in the months *first* to *last*, and what is left."""
        asked = {"region": region, "from": first, "to": last}
        answer = await self.get("/plan", token, **asked)
        told = answer.body
        areas = told.get("areas") or {}
        return (
            Plan(
                tuple(_month(one["month"], one) for one in told["months"]),
                _month("", told["totals"]),
                tuple(_plan_row(one, areas) for one in told["rows"]),
            ),
            answer.as_of,
        )


def match_row(told: Mapping[str, Any]) -> MatchRow:
    """A match as the matcher tells it, as a row."""
    surplus, need = told["surplus"], told["need"]
    parties = [one for one in (surplus.get("organisation"), need.get("organisation")) if one]
    at = next((told[name] for name in ("changed_at", "told_at", "at") if told.get(name)), None)
    return MatchRow(
        id=str(told.get("match_id") or told["id"]),
        revision=int(told["revision"]),
        state=str(told["state"]),
        material=str(surplus["material"]),
        tonnes=int(told["tonnes"]["likely"]),
        origin=str(surplus["place"]["municipality"]),
        destination=str(need["place"]["municipality"]),
        km=float(told["distance_km"]),
        first=date.fromisoformat(told["window"]["first"]),
        last=date.fromisoformat(told["window"]["last"]),
        cents_per_t=int(told["value"]["cents_per_t"]),
        route=str(told.get("route") or "direct"),
        via=(told.get("via") or {}).get("title"),
        asks=tuple(told.get("asks") or ()),
        accepted_by=tuple(told.get("accepted_by") or ()),
        parties=tuple(parties),
        told_at=moment(at),
    )


def whole_match(told: Mapping[str, Any]) -> WholeMatch:
    """A match as the matcher tells it, whole."""
    value, climate = told["value"], told.get("climate") or {}
    row = match_row(told)
    saved_g = climate.get("saved_g_per_t")
    return WholeMatch(
        row=row,
        region=str(told["region"]),
        surplus=_end(told["surplus"]),
        need=_end(told["need"]),
        total_cents=int(value.get("total_cents", row.cents_per_t * row.tonnes)),
        giver_cents=value.get("giver_gain_cents_per_t"),
        taker_cents=value.get("taker_gain_cents_per_t"),
        compensation_cents=int(value.get("compensation_cents_per_t") or 0),
        saved_kg=None if saved_g is None else saved_g * row.tonnes / 1000,
        whys=tuple(
            Why(
                str(one["gate"]), str(one["verdict"]), str(one["offered"]), str(one["wanted"]),
                tuple(one.get("papers") or ()),
            )
            for one in told.get("reasons") or ()
        ),
        area=(told.get("via") or {}).get("area_id"),
        delivered_t=float(told.get("delivered_t") or 0),
        left_t=_number(told.get("left_t")),
        closed_by=told.get("closed_by"),
        declined_by=told.get("declined_by"),
        decline_reason=told.get("decline_reason"),
        born_at=moment(told.get("born_at")),
    )  # fmt: skip


def load_row(told: Mapping[str, Any]) -> LoadRow:
    """Loads as the matcher tells them."""
    return LoadRow(
        id=str(told["delivery_id"]),
        tonnes=float(told["tonnes"]),
        material=str(told["material"]),
        moved_on=date.fromisoformat(told["moved_on"]),
        method=str(told.get("method") or ""),
        reporter=str(told["reporter"]),
        outlet=str(told.get("outlet") or "unknown"),
        match=told.get("match_id"),
        waybill=told.get("waybill"),
        haul_km=_number(told.get("haul_km")),
        vehicle=told.get("vehicle"),
        energy=told.get("energy"),
        area=told.get("area_id"),
        refused=told.get("refused"),
        under_match=bool(told.get("under_match")),
        revision=int(told.get("revision") or 1),
    )


def near_row(told: Mapping[str, Any]) -> NearRow:
    """A near miss as the matcher tells it."""
    return NearRow(
        id=str(told["near_miss_id"]),
        material=str(told["surplus"]["material"]),
        surplus=_end(told["surplus"]),
        need=_end(told["need"]),
        tonnes=int(told["tonnes"]["likely"]),
        worth_cents=int(told["value"]["total_cents"]),
        km=_number(told.get("distance_km")),
        changes=tuple(_change(one) for one in told.get("remedies") or ()),
    )


def _end(told: Mapping[str, Any]) -> End:
    return End(
        told.get("organisation"), str(told["place"]["municipality"]),
        str(told.get("forecast_id") or ""),
    )  # fmt: skip


def _change(told: Mapping[str, Any]) -> Change:
    return Change(
        str(told["who"]), str(told["what"]), told.get("days"), _number(told.get("km")),
        told.get("code"),
    )  # fmt: skip


def _month(name: str, told: Mapping[str, Any]) -> PlanMonth:
    moved, left = told["moved"], told["unmatched"]
    return PlanMonth(
        name, _tonnes(moved["tonnes"]), _tonnes(told["onsite"]["tonnes"]),
        _tonnes(left["surplus"]), _tonnes(left["need"]), float(moved["tonne_km"]),
        int(moved["value_cents"]), float(moved["saved_kg"]),
    )  # fmt: skip


def _plan_row(told: Mapping[str, Any], areas: Mapping[str, Any]) -> PlanRow:
    via = told.get("via")
    return PlanRow(
        str(told["month"]), str(told["material"]), str(told["from"]), str(told["to"]),
        str(told["route"]), str(areas.get(via, {}).get("title") or via) if via else None,
        str(told["state"]), int(told["matches"]), _tonnes(told["tonnes"]),
        float(told["tonne_km"]),
    )  # fmt: skip


def _tonnes(told: Mapping[str, Any]) -> Tonnes:
    return Tonnes(*(int(told[name]) for name in ("low", "likely", "high", "expected")))


def _number(told: Any) -> float | None:
    return None if told is None else float(told)


def _day(told: Any) -> date | None:
    return date.fromisoformat(told) if isinstance(told, str) else None
