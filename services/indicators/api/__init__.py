"""How the outside asks the indicators: balance, figures and their definitions."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from services.indicators import store
from services.indicators.api.told import (
    BALANCE,
    FIGURES,
    Grain,
    Scope,
    State,
    ToldBalance,
    ToldDefinitions,
    ToldFigures,
)
from services.indicators.domain import (
    DEFINITIONS,
    FEWEST_ORGANISATIONS,
    OF_DECIDING,
    BadPeriod,
    Figure,
    Months,
    Stock,
    figures_of,
    period_label,
    period_of,
)
from shared import trail_api
from shared.access import Asker, NotAllowed
from shared.http import Asking, Problem, Reading, cursor_invalid
from shared.openapi import answers, described
from shared.seen import tells_of
from shared.spreadsheets import csv_of
from shared.vocabulary.materials import one_substance
from shared.vocabulary.tables import table

router = APIRouter()
router.include_router(trail_api.router)

STATES = ("forecast", "proposed", "agreed", "delivered")
LARGEST_PAGE = 200
PLACES = ("country", "region", "sub_region", "municipality")
MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])", re.ASCII)
AS_CSV = "text/csv"


@dataclass(frozen=True)
class Question:
    """
    What is asked about; see `_asked` for who may ask it.

    *bounded*: as it is told to who sees no more of the place than its sums, whoever asks.
    """

    scope: Annotated[Scope, Query(description="what the sums are of")] = "region"
    region: str | None = None
    code: Annotated[
        str | None, Query(description="of the place; an organisation's token, a project's id")
    ] = None
    material: str | None = None
    bounded: Annotated[bool, Query(description="as who sees sums alone is told it")] = False


@dataclass(frozen=True)
class BalanceQuestion(Question):
    """What is asked about, and which months in which grain."""

    first: Annotated[str | None, Query(alias="from")] = None
    last: Annotated[str | None, Query(alias="to")] = None
    grain: Annotated[Grain, Query(description="the step of time")] = "month"

    @property
    def months(self) -> Months:
        """The months asked for; raises `Problem` when they are none."""
        return _months(self.first, self.last)


@router.get(
    "/balance",
    tags=["figures"],
    responses={
        200: {
            "model": ToldBalance,
            "content": {AS_CSV: {}},
            "headers": described("Content-Disposition"),
        },
        **BALANCE,
    },
)
async def balance(
    request: Request,
    asker: Asking,
    session: Reading,
    question: Annotated[BalanceQuestion, Depends()],
    *,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = LARGEST_PAGE,
) -> Response:
    """
    Mass balance by period and material: tonnes on both sides, whole and in each state.

    Months are those of the lots' windows; states add up to the whole in every row.
    """
    if AS_CSV in request.headers.get("accept", ""):
        return await balance_csv(request, asker, session, question)
    begins = _cursor(after)
    asked = await _asked_of_balance(request, asker, session, question)
    grain = question.grain
    rows = await store.balance(session, asked, grain=grain, after=begins, limit=limit + 1)
    page = rows[:limit]
    return JSONResponse(
        {
            **await _about(session, asked, asker),
            "grain": grain,
            "period": period_label(asked.months),
            "items": [_row(row, grain) for row in page],
            "next": f"{page[-1].period}|{page[-1].material}" if len(rows) > limit else None,
        }
    )


@router.get(
    "/balance.csv",
    tags=["figures"],
    response_class=Response,
    responses={
        200: {"content": {AS_CSV: {}}, "headers": described("Content-Disposition")},
        **BALANCE,
    },
)
async def balance_csv(
    request: Request,
    asker: Asking,
    session: Reading,
    question: Annotated[BalanceQuestion, Depends()],
) -> Response:
    """The whole balance as CSV (RFC 4180, UTF-8): one line per period, material and state."""
    asked = await _asked_of_balance(request, asker, session, question)
    about = await _about(session, asked, asker)
    rows = await store.balance(session, asked, grain=question.grain)
    head = ["region", "scope", "code", "title", "period", "material", "state", "projection",
            "surplus_t", "surplus_low_t", "surplus_high_t", "need_t", "need_low_t", "need_high_t",
            "net_t", "onsite_t", "sample", "as_of"]  # fmt: skip
    lines = [
        [
            asked.region or "", asked.scope, asked.code, about["title"] or "", row.period,
            row.material, state, state != "delivered",
            *_bounds(row, state, "surplus"), *_bounds(row, state, "need"),
            _net(row, state), _stock(row, state, "surplus").onsite / 1000,
            row.sample, about["as_of"] or "",
        ]
        for row in rows
        for state in STATES
        if (state, "surplus") in row.kg or (state, "need") in row.kg
    ]  # fmt: skip
    headers = {"Content-Disposition": 'attachment; filename="balance.csv"'}
    return Response(csv_of([head, *lines]), media_type=f"{AS_CSV}; charset=utf-8", headers=headers)


async def _asked_of_balance(
    request: Request, asker: Asker, session: Reading, question: BalanceQuestion
) -> store.Asked:
    asked = _during(await _asked(request, asker, session, question), question.months)
    return await _bounded(asked, asker, session, bounded=question.bounded)


@router.get("/figures", tags=["figures"], responses=answers(ToldFigures) | FIGURES)
async def figures(
    request: Request,
    asker: Asking,
    session: Reading,
    question: Annotated[Question, Depends()],
    *,
    period: Annotated[
        str, Query(description="all, YYYY, YYYY-Qn, YYYY-MM, or two months with .. between")
    ] = "all",
    state: Annotated[State | None, Query(description="only of this state")] = None,
    indicator: Annotated[
        str | None, Query(description="only this one, by its id in /figures/definitions")
    ] = None,
) -> dict[str, Any]:
    """
    The figures of one scope and period, each with state, definition and counterfactual.

    In every state unless one is named; all but `delivered` are projections. Those of deciding are
    told to coordinators.
    """
    try:
        months = period_of(period)
    except BadPeriod as error:
        raise Problem.of(422, error) from error
    if indicator is not None and indicator not in DEFINITIONS:
        raise Problem(422, "indicator_unknown", value=indicator, offered=list(DEFINITIONS))
    asked = _during(await _asked(request, asker, session, question), months)
    asked = await _bounded(asked, asker, session, bounded=question.bounded)
    stocks, flows, sample = await store.stocks_and_flows(session, asked)
    hauls = await store.hauls(session, asked)
    pace = None if asked.bounded else await store.pace(session, asked)
    chosen = (
        one
        for one in figures_of(stocks, flows, hauls, pace)
        if state in (None, one.state)
        and indicator in (None, one.indicator)
        and not (asked.bounded and one.indicator in OF_DECIDING)
    )
    return {
        **await _about(session, asked, asker),
        "period": period_label(asked.months),
        "items": [_figure(one, asked, sample=sample) for one in chosen],
        "next": None,
    }


@router.get("/figures/definitions", tags=["figures"], responses=answers(ToldDefinitions))
async def definitions(_: Asking) -> dict[str, Any]:
    """What each indicator means, in three languages, and the baseline it is held against."""
    baseline = table("kpi")["meta"]["counterfactual"]
    return {
        "items": [
            {
                "indicator": one.id, "key": one.key, "names": dict(one.names),
                "formula": one.formula, "unit": one.unit, "numerator": one.numerator,
                "denominator": one.denominator, "trap": one.trap,
                "counterfactual": one.counterfactual, "version": one.version,
                "definition": one.label,
            }
            for one in DEFINITIONS.values()
        ],
        "counterfactuals": [
            {"id": baseline["id"], "text": baseline["text"], "names": baseline["names"],
             "fallback": baseline["fallback"]}
        ],
        "next": None,
        "as_of": None,
    }  # fmt: skip


async def _asked(
    request: Request, asker: Asker, session: Reading, question: Question
) -> store.Asked:
    """The question, if *asker* may ask it."""
    scope, region, code = question.scope, question.region, question.code
    material = question.material
    if scope == "country":
        code = "all"
    elif scope == "region":
        region, code = region or code, code or region
    if code is None:
        raise Problem(422, "code_missing", scope=scope)
    if region is None and scope in ("sub_region", "municipality"):
        raise Problem(422, "region_missing", scope=scope)
    if scope == "region" and region != code:
        raise Problem(422, "code_invalid/two_regions", region=region, code=code)
    if scope == "organisation":
        _may_see(asker, code, region)
    if scope == "project":
        tells_of(request, [await _owner_of(asker, session, code)])
    substance = one_substance(material) if material else None
    return store.Asked(scope, code, region, material=substance)


async def _bounded(
    asked: store.Asked, asker: Asker, session: Reading, *, bounded: bool
) -> store.Asked:
    """
    *asked* without what tells of one organisation, for those who see no more than sums.

    Sums of a place are told when enough take part, and of those materials and months in which
    enough do.
    """
    if asked.scope not in PLACES or (_sees_all_of(asked, asker) and not bounded):
        return asked
    whole = replace(asked, material=None)
    if await store.organisations_in(session, whole) < FEWEST_ORGANISATIONS:
        raise Problem(403, "too_few_organisations", fewest=FEWEST_ORGANISATIONS)
    return replace(asked, bounded=True)


def _sees_all_of(asked: store.Asked, asker: Asker) -> bool:
    of_a_region = asked.region is not None and asked.scope != "country"
    return asker.sees_all or (of_a_region and asker.coordinates(asked.region or ""))


def _may_see(asker: Asker, organisation: str, region: str | None) -> None:
    coordinates = region is not None and asker.coordinates(region)
    if asker.sees_all or asker.acts_for(organisation) or coordinates:
        return
    raise NotAllowed("not_allowed/others_figures", organisation=organisation)


async def _owner_of(asker: Asker, session: Reading, code: str) -> str:
    """Whose project it is; a problem where *asker* may not see it."""
    try:
        owner = await store.owner_of(session, UUID(code))
    except ValueError as error:
        raise Problem(422, "code_invalid/project", value=code) from error
    if owner is not None:
        organisation, region = owner
        if asker.sees_all or asker.acts_for(organisation) or asker.coordinates(region):
            return organisation
    # the same answer for what does not exist and what is not theirs to know of
    raise Problem(404, "project_unknown", value=code)


def _during(asked: store.Asked, months: Months) -> store.Asked:
    return replace(asked, months=months)


def _months(first: str | None, last: str | None) -> Months:
    for name, told in (("from", first), ("to", last)):
        if told is not None and not MONTH.fullmatch(told):
            raise Problem(422, f"{name}_invalid", value=told)
    if first and last and last < first:
        raise Problem(422, "period_reversed", first=first, last=last)
    return Months(first, last)


def _cursor(after: str | None) -> tuple[str, str] | None:
    if after is None:
        return None
    period, bar, material = after.partition("|")
    if not bar:
        raise cursor_invalid(after)
    return period, material


async def _about(session: Reading, asked: store.Asked, asker: Asker) -> dict[str, Any]:
    title = None
    if asked.scope in ("organisation", "project"):
        row = await store.title_of(session, asked.scope, asked.code)
        title = row.title if row else None
    moment = await _as_of(session, asked, asker)
    return {
        "scope": asked.scope,
        "code": asked.code,
        "region": asked.region,
        "title": title,
        "as_of": moment.isoformat() if moment else None,
        "bounded": asked.bounded,
    }


async def _as_of(session: Reading, asked: store.Asked, asker: Asker) -> datetime | None:
    """The moment of the newest news that *asker* may know of; sums of others' have none."""
    if asked.bounded:
        return None
    if _sees_all_of(asked, asker):
        return await store.as_of(session, asked.region)
    return await store.own_as_of(session, asked)


def _stock(row: store.Standings, state: str, side: str) -> Stock:
    return row.kg.get((state, side), Stock())


def _bounds(row: store.Standings, state: str, side: str) -> tuple[float, float, float]:
    stock = _stock(row, state, side)
    return stock.kg / 1000, stock.kg_low / 1000, stock.kg_high / 1000


def _net(row: store.Standings, state: str) -> float:
    return (_stock(row, state, "need").kg - _stock(row, state, "surplus").kg) / 1000


def _whole(row: store.Standings, side: str) -> Stock:
    stocks = [stock for (_, at), stock in row.kg.items() if at == side]
    return Stock(
        sum(stock.kg_low for stock in stocks),
        sum(stock.kg for stock in stocks),
        sum(stock.kg_high for stock in stocks),
        sum(stock.onsite for stock in stocks),
        sum(stock.unverified for stock in stocks),
    )


def _tonnes(surplus: Stock, need: Stock) -> dict[str, float]:
    """Both sides in tonnes, and what is needed beyond what is left over; never added together."""
    return {
        "surplus_t": surplus.kg / 1000,
        "surplus_low_t": surplus.kg_low / 1000,
        "surplus_high_t": surplus.kg_high / 1000,
        "need_t": need.kg / 1000,
        "need_low_t": need.kg_low / 1000,
        "need_high_t": need.kg_high / 1000,
        "net_t": (need.kg - surplus.kg) / 1000,
        "net_low_t": (need.kg_low - surplus.kg_high) / 1000,
        "net_high_t": (need.kg_high - surplus.kg_low) / 1000,
        "onsite_t": surplus.onsite / 1000,
    }


def _row(row: store.Standings, grain: str) -> dict[str, Any]:
    surplus, need = _whole(row, "surplus"), _whole(row, "need")
    mass = surplus.kg + need.kg
    return {
        "period": row.period,
        **({"month": row.period} if grain == "month" else {}),
        "material": row.material,
        **_tonnes(surplus, need),
        "unverified_share": (surplus.unverified + need.unverified) / mass if mass else None,
        "states": {
            state: {
                **_tonnes(_stock(row, state, "surplus"), _stock(row, state, "need")),
                "projection": state != "delivered",
            }
            for state in STATES
        },
        "sample": row.sample,
    }


def _figure(figure: Figure, asked: store.Asked, *, sample: bool) -> dict[str, Any]:
    definition = figure.definition
    return {
        "indicator": figure.indicator,
        "key": definition.key,
        "value": figure.value,
        "low": figure.low,
        "high": figure.high,
        "unit": figure.unit,
        "numerator": figure.numerator,
        "denominator": figure.denominator,
        "state": figure.state,
        "projection": figure.projection,
        "period": period_label(asked.months),
        "definition": definition.label,
        "counterfactual": definition.counterfactual,
        "unverified_share": figure.unverified_share,
        "why": figure.why,
        "beside": dict(figure.beside),
        "sample": sample,
    }
