"""What the platform knows and rests on: defaults, rules with their days, papers."""

from dataclasses import asdict
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query

from services.registry.api.answers import page
from services.registry.api.told import ToldDefault, ToldPaper, ToldRule
from shared.http import Asking
from shared.openapi import Listing, answers
from shared.vocabulary.defaults import defaults as every_default
from shared.vocabulary.papers import PAPERS
from shared.vocabulary.rules import RULES, Rule

router = APIRouter(tags=["knowledge"])


@router.get("/defaults", responses=answers(Listing[ToldDefault]))
async def defaults(
    _: Asking,
    tag: Annotated[str | None, Query(max_length=20, description="unverified, set_here …")] = None,
) -> dict[str, Any]:
    """Every default that results rest on, with its unit, bounds, tag, confidence and source."""
    return page([one.to_json() for one in every_default() if tag in (None, one.tag)], None)


@router.get("/rules", responses=answers(Listing[ToldRule]))
async def rules(
    _: Asking, on: Annotated[date | None, Query(description="only those in force that day")] = None
) -> dict[str, Any]:
    """Rules that can change, each with the days it is in force; awaited ones are slots."""
    return page([_told(rule) for rule in RULES if on is None or rule.in_force(on)], None)


@router.get("/papers", responses=answers(Listing[ToldPaper]))
async def papers(_: Asking) -> dict[str, Any]:
    """What a match may ask to be shown, tested or decided, named in three languages."""
    return page([asdict(one) for one in PAPERS.values()], None)


def _told(rule: Rule) -> dict[str, Any]:
    where = rule.provenance
    return {
        "id": rule.id,
        "version": rule.version,
        "names": dict(rule.names),
        "in_force_from": rule.in_force_from,
        "in_force_until": rule.in_force_until,
        "slot": rule.slot,
        "note": rule.note,
        "source": where.source,
        "tag": where.shown_tag,
        "confidence": where.confidence,
    }
