"""One small typed client per service asked; each answers soon or is `Away`."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import aiohttp

from services.portal.domain.charts.balance import Month
from services.portal.domain.rows import Counts, Entry, Figure, MatchRow, Notice
from shared.vocabulary.regions import Region, region_from

REGIONS_KEPT_S = 60.0
BALANCE_PAGES = 20


class Away(Exception):
    """The service did not answer in time, or answered that it cannot."""

    def __init__(self, service: str, why: str = "") -> None:
        super().__init__(f"{service} is away: {why}")
        self.service = service


class Denied(Exception):
    """The service answered with a problem; *told* is its body."""

    def __init__(self, service: str, status: int, told: Mapping[str, Any]) -> None:
        super().__init__(f"{service} answered {status}: {told.get('detail', '')}")
        self.service, self.status, self.told = service, status, told

    @property
    def code(self) -> str:
        return str(self.told.get("code", ""))


@dataclass(frozen=True)
class Answer:
    """A body that a service told, with the time of the last event it had applied."""

    body: Mapping[str, Any]
    as_of: datetime | None

    @property
    def items(self) -> Sequence[Mapping[str, Any]]:
        """The rows of a list answer."""
        rows = self.body.get("items", self.body.get("rows", ()))
        return rows if isinstance(rows, list) else ()


class Backend:
    """Asks one service over HTTP; raises `Away` and `Denied`."""

    def __init__(
        self, name: str, url: str, session: aiohttp.ClientSession, timeout_s: float
    ) -> None:
        self.name = name
        self.url = url.rstrip("/")
        self.session = session
        self.timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def get(self, path: str, token: str, **asked: str | int | Sequence[str] | None) -> Answer:
        """The answer to a question; what is None is left out, what is several is repeated."""
        told: list[tuple[str, str]] = []
        for name, value in asked.items():
            if isinstance(value, str | int):
                told.append((name, str(value)))
            else:
                told += [(name, one) for one in value or ()]
        return await self._ask("GET", path, token, params=told)

    async def post(
        self, path: str, body: Mapping[str, Any], token: str = "", **headers: str
    ) -> Answer:
        """The answer to an order."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self._ask("POST", path, token, json=body, headers=named)

    async def _ask(self, method: str, path: str, token: str, **more: Any) -> Answer:
        headers = dict(more.pop("headers", {}))
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            async with self.session.request(
                method, self.url + path, headers=headers, timeout=self.timeout,
                allow_redirects=False, **more,
            ) as answer:  # fmt: skip
                text = await answer.text()
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Away(self.name, repr(error)) from error
        return self._read(status, text)

    def _read(self, status: int, text: str) -> Answer:
        try:
            body = json.loads(text)
        except ValueError:
            body = None
        if status >= 500 or (status < 300 and not isinstance(body, dict)):
            raise Away(self.name, f"status {status}")
        if status >= 300:
            raise Denied(self.name, status, body if isinstance(body, dict) else {})
        assert isinstance(body, dict)
        return Answer(body, moment(body.get("as_of")))


@dataclass(frozen=True)
class Seen:
    """What the registry says of a person now: its *token* for the services, roles and session."""

    token: str
    subject: str
    organisations: Mapping[str, tuple[str, ...]]
    regions: tuple[str, ...]
    session: int
    language: str
    until: float

    def concerns(self, region: str, organisation: str) -> bool:
        """Whether news about *organisation* in *region* are this person's, too."""
        return organisation in ("-", "", *self.organisations) or region in self.regions


class Registry(Backend):
    """Regions, and who a person is."""

    def __init__(
        self, name: str, url: str, session: aiohttp.ClientSession, timeout_s: float
    ) -> None:
        super().__init__(name, url, session, timeout_s)
        self._names: tuple[float, Mapping[str, Mapping[str, str]]] = (0.0, {})
        self._regions: dict[str, tuple[float, Region]] = {}

    async def person(self, id_token: str) -> Seen:
        """What the registry knows of the bearer of *id_token*; `Denied` with 401 when nothing."""
        told = (await self.post("/tokens", {"id_token": id_token})).body
        asker = told["asker"]
        organisations = asker.get("organisations") or {}
        if not isinstance(organisations, dict):
            organisations = dict.fromkeys(organisations, ())
        return Seen(
            str(told["token"]),
            str(asker["subject"]),
            {str(name): tuple(roles) for name, roles in organisations.items()},
            tuple(asker.get("regions") or ()),
            int(asker.get("session") or 0),
            str(asker.get("language") or asker.get("lang") or ""),
            time.time() + float(told.get("expires_in", 0)),
        )

    async def names(self, token: str) -> Mapping[str, Mapping[str, str]]:
        """Code → names of every region; asked at most once a minute, for they seldom change."""
        asked_at, known = self._names
        if known and time.monotonic() - asked_at < REGIONS_KEPT_S:
            return known
        answer = await self.get("/regions", token, limit=200)
        found = {str(one["code"]): dict(one["names"]) for one in answer.items}
        self._names = (time.monotonic(), found)
        return found

    async def region(self, code: str, token: str) -> Region:
        """The region *code* with its places, at most a minute old; `Denied` with 404 for none."""
        asked_at, known = self._regions.get(code, (0.0, None))
        if known is not None and time.monotonic() - asked_at < REGIONS_KEPT_S:
            return known
        region = region_from((await self.get(f"/regions/{code}", token)).body)
        self._regions[code] = (time.monotonic(), region)
        return region


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

    async def counts(self, region: str, token: str) -> tuple[Counts, datetime | None]:
        """How many lots are open and matches stand in *region*, without saying whose."""
        answer = await self.get("/counts", token, region=region)
        told = answer.body
        counts = Counts(
            int(told["open_lots"]),
            int(told["proposed"]),
            float(told["proposed_t"]),
            int(told["agreed"]),
            float(told["agreed_t"]),
        )
        return counts, answer.as_of

    async def match(self, id: str, token: str) -> MatchRow:
        """One match as it is now."""
        told = (await self.get(f"/matches/{id}", token)).body
        return match_row(told.get("match", told))

    async def decide(
        self, id: str, token: str, *, decision: str, revision: int, key: str,
        organisation: str, reason: str | None, tab: str,
    ) -> None:  # fmt: skip
        """Decide for *organisation*; the same *key* twice is one decision. `Denied` with 409."""
        body = {"decision": decision, "organisation": organisation}
        if reason:
            body["reason"] = reason
        headers = {"If_Match": f'"{revision}"', "Idempotency_Key": key, "X_Tab": tab}
        await self.post(f"/matches/{id}/decisions", body, token, **headers)


class Indicators(Backend):
    """Balance and figures of a region."""

    async def balance(self, region: str, token: str) -> tuple[Sequence[Month], datetime | None]:
        """Surplus and need by month, all materials and states together."""
        months: list[Month] = []
        after: str | None = None
        for _ in range(BALANCE_PAGES):  # a row is one month of one material
            answer = await self.get(
                "/balance", token, region=region, scope="region", code=region, grain="month",
                after=after, limit=200,
            )  # fmt: skip
            months += [
                Month(str(row["month"]), float(row["surplus_t"] or 0), float(row["need_t"] or 0))
                for row in answer.items
            ]
            after = answer.body.get("next")
            if after is None:
                break
        return months, answer.as_of

    async def figures(self, region: str, token: str) -> tuple[Sequence[Figure], datetime | None]:
        """The figures of the region in every state."""
        answer = await self.get("/figures", token, region=region, scope="region", code=region)
        figures = [
            Figure(
                str(row["indicator"]),
                str(row["state"]),
                None if row.get("value") is None else float(row["value"]),
                str(row.get("unit") or ""),
                bool(row.get("projection", row["state"] != "delivered")),
                row.get("counterfactual"),
                row.get("unverified_share"),
            )
            for row in answer.items
        ]
        return figures, answer.as_of


class Notifier(Backend):
    """A person's inbox."""

    async def inbox(self, token: str) -> tuple[Sequence[Entry], datetime | None]:
        """The newest entries that ask for a decision."""
        answer = await self.get("/inbox", token, tab="decide", limit=200)
        entries = [
            Entry(
                str(row["id"]),
                str(row["match_id"]) if row.get("match_id") else None,
                not row.get("unread"),
                moment(row.get("told_at")),
            )
            for row in answer.items
        ]
        return entries, answer.as_of

    async def notices(
        self, region: str, language: str, token: str, *, limit: int
    ) -> tuple[Sequence[Notice], datetime | None]:
        """The newest near misses of *region* on the desk of the bearer of *token*."""
        answer = await self.get("/notices", token, language=language, region=region, limit=limit)
        notices = [
            Notice(str(row["id"]), str(row["material"]), str(row["title"]), str(row["text"]))
            for row in answer.items
        ]
        return notices, answer.as_of


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


def moment(told: Any) -> datetime | None:
    """An ISO time as an aware moment, None when there is none."""
    if not isinstance(told, str):
        return None
    return datetime.fromisoformat(told)
