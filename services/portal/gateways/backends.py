"""One small typed client per service asked; each answers soon or is `Away`."""

import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

import aiohttp

from services.portal.domain.charts.balance import Month
from services.portal.domain.rows import Entry, Figure, Notice, OwnForecast, TwiceTold, Webhook
from services.portal.domain.whole import ToldLoad
from shared.vocabulary.regions import Region, region_from

REGIONS_KEPT_S = 60.0
BALANCE_PAGES = 20
FORECAST_PAGES = 5
LIST_PAGES = 20
BOUNDED = {True: "true", False: None}


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

    async def every(self, path: str, token: str) -> list[Mapping[str, Any]]:
        """The items of a list, page after page."""
        found: list[Mapping[str, Any]] = []
        async for answer in self.pages(path, token):
            found += answer.items
        return found

    async def pages(self, path: str, token: str) -> AsyncIterator[Answer]:
        """The pages of a list; there is a first one."""
        after: str | None = None
        for _ in range(LIST_PAGES):
            answer = await self.get(path, token, after=after)
            yield answer
            after = answer.body.get("next")
            if after is None:
                return

    async def post(
        self, path: str, body: Mapping[str, Any], token: str = "", **headers: str
    ) -> Answer:
        """The answer to an order."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self._ask("POST", path, token, json=body, headers=named)

    async def change(
        self, method: Literal["PUT", "PATCH"], path: str, body: Mapping[str, Any], token: str
    ) -> Answer:
        """The answer to a thing told anew, whole or in part."""
        return await self._ask(method, path, token, json=body)

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
        self._titles: tuple[float, Mapping[str, str]] = (0.0, {})

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
        regions = await self.every("/regions", token)
        found = {str(one["code"]): dict(one["names"]) for one in regions}
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

    async def titles(self, token: str) -> Mapping[str, str]:
        """Token → title of every organisation, at most a minute old."""
        asked_at, known = self._titles
        if known and time.monotonic() - asked_at < REGIONS_KEPT_S:
            return known
        organisations = await self.every("/organisations", token)
        found = {str(one["token"]): str(one["title"]) for one in organisations}
        self._titles = (time.monotonic(), found)
        return found

    async def forecasts(self, region: str, token: str) -> Mapping[str, Sequence[OwnForecast]]:
        """By organisation, the forecasts that it reports, under its own ids; one's own alone."""
        found: dict[str, list[OwnForecast]] = {}
        after: str | None = None
        for _ in range(FORECAST_PAGES):
            answer = await self.get(
                "/forecasts", token, region=region, own="true", after=after, limit=200
            )
            for one in answer.items:
                if one.get("external_id"):
                    found.setdefault(str(one["reporter"]), []).append(
                        OwnForecast(
                            str(one["forecast_id"]), str(one["external_id"]),
                            str(one["direction"]), str(one["material"]),
                            str(one["place"]["municipality"]), int(one["quantity"]["likely_t"]),
                        )
                    )  # fmt: skip
            after = answer.body.get("next")
            if after is None:
                break
        return found

    async def hand_in(
        self, event: str, id: str, body: Mapping[str, Any], token: str, *,
        organisation: str, language: str,
    ) -> None:  # fmt: skip
        """Hand in one event under *id*, once; `Denied` with 422 and its reasons when refused."""
        told = {"specversion": "1.0", "id": id, "source": "/massakoppi/portal",
                "type": event, "data": body}  # fmt: skip
        await self.post(
            f"/intake?{urlencode({'organisation': organisation})}", told, token,
            Content_Type="application/cloudevents+json", Accept_Language=language,
        )  # fmt: skip

    async def told_load(self, id: str, token: str) -> ToldLoad | None:
        """Loads as they were told at the door; None where not there, or not by the reader's own."""
        try:
            told = (await self.get(f"/deliveries/{id}", token)).body
        except Denied as error:
            if error.status != 404:
                raise
            return None
        return ToldLoad(
            str(told["external_id"]), str(told["reporter"]), int(told["revision"]), told["told"]
        )


class Indicators(Backend):
    """Balance and figures of a region."""

    async def balance(
        self, region: str, token: str, *, bounded: bool
    ) -> tuple[Sequence[Month], datetime | None]:
        """
        Surplus and need by month, all materials and states together.

        *bounded*: without the months and materials of too few organisations; `Denied` with 403
        where the region is of too few.
        """
        months: list[Month] = []
        after: str | None = None
        for _ in range(BALANCE_PAGES):  # a row is one month of one material
            answer = await self.get(
                "/balance", token, region=region, scope="region", code=region, grain="month",
                bounded=BOUNDED[bounded], after=after, limit=200,
            )  # fmt: skip
            months += [
                Month(str(row["month"]), float(row["surplus_t"] or 0), float(row["need_t"] or 0))
                for row in answer.items
            ]
            after = answer.body.get("next")
            if after is None:
                break
        return months, answer.as_of

    async def figures(
        self, region: str, token: str, *, bounded: bool
    ) -> tuple[Sequence[Figure], datetime | None]:
        """The figures of the region in every state; *bounded* as the balance is."""
        answer = await self.get(
            "/figures", token, region=region, scope="region", code=region,
            bounded=BOUNDED[bounded],
        )  # fmt: skip
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

    async def twice(
        self, region: str, language: str, token: str, *, limit: int
    ) -> Sequence[TwiceTold]:
        """One's own forecasts of *region* that may be told twice, and that were linked."""
        answer = await self.get(
            "/inbox/duplicates", token, language=language, region=region, limit=limit
        )
        return [
            TwiceTold(
                str(row["id"]), str(row["material"]), str(row["title"]), str(row["text"]),
                str(row["change"]), bool(row["unread"]),
            )
            for row in answer.items
        ]  # fmt: skip

    async def read_twice(self, notice: str, token: str) -> None:
        """That *notice* of a pair was read; `Denied` with 404 when it is not one's own."""
        await self.post(f"/inbox/duplicates/{notice}/read", {}, token)

    async def preferences(self, token: str) -> Mapping[str, Any]:
        """What the bearer of *token* chose of mail and language, whole."""
        return (await self.get("/preferences", token)).body

    async def choose(self, told: Mapping[str, Any], token: str) -> None:
        """Choose anew, whole."""
        await self.change("PUT", "/preferences", told, token)

    async def webhooks(self, token: str) -> Sequence[Webhook]:
        """Those of the organisations that the bearer of *token* acts for."""
        return [
            Webhook(
                str(one["id"]), str(one["organisation"]), urlsplit(one["url"]).hostname or "",
                tuple(one["events"]), str(one["status"]), str(one.get("reason") or ""),
            )
            for one in await self.every("/webhooks", token)
        ]  # fmt: skip

    async def enable(self, webhook: str, token: str) -> None:
        """Take a *webhook* into use again; `Denied` with 404 when it is not theirs to change."""
        await self.change("PATCH", f"/webhooks/{webhook}", {"status": "active"}, token)


def moment(told: Any) -> datetime | None:
    """An ISO time as an aware moment, None when there is none."""
    if not isinstance(told, str):
        return None
    return datetime.fromisoformat(told)
