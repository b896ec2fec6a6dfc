"""May this serve that? The gates, each with its verdict and the two values it compared."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from services.matcher.domain.values import Kind, kind_of
from shared.vocabulary import enumerations, quality
from shared.vocabulary.materials import (
    MATERIALS,
    is_hazardous,
    needs_acid_sulphate,
    needs_invasive_status,
)
from shared.vocabulary.papers import (
    TRANSFER_DOCUMENT,
    in_words,
    needs_transfer_document,
    papers_of,
)
from shared.vocabulary.uses import (
    LEAST_ABOVE_GROUNDWATER_M,
    LEAST_WELL_DISTANCE_M,
    Mara,
    Suited,
    mara,
    use_rules,
    ways,
)

Verdict = Literal["pass", "conditional", "unknown", "fail"]
_WORST_FIRST: Final = ("fail", "unknown", "conditional", "pass")
_PERMITTED_SITES: Final = ("processing_site", "disposal_site", "hazardous_reception")
_ROUTES: Final = ("mara", "permit", "end_of_waste", "by_product")
_GROWING: Final = ("growing_medium", "landscaping")
_NAMES_THE_CLASS: Final = ("permit", "ysl136")
_ACCEPTS: Final = {
    "permit": "acceptance_permit",
    "ysl136": "acceptance_ysl136",
    "site_assessment": "acceptance_site_assessment",
}
_ROUTE_PAPERS: Final = {
    "mara": "mara_notification",
    "permit": "environmental_permit",
    "ysl136": "ysl136_decision",
    "by_product": "by_product_decision",
    "end_of_waste": "end_of_waste_conformity",
}

LABORATORY: Final = "laboratory_report"
SURVEY: Final = "invasive_survey"
TRANSFER: Final = TRANSFER_DOCUMENT
HAZARDOUS: Final = "hazardous_waste_task"


class Finding(NamedTuple):
    """
    One gate's verdict; *needed* is what must be shown or done before the match is agreed, in
    English, or the fact that is missing; *papers* are its ids in the vocabulary.
    """

    gate: str
    verdict: Verdict
    offered: str
    wanted: str
    needed: str | None = None
    papers: tuple[str, ...] = ()


def worst(findings: tuple[Finding, ...]) -> Verdict:
    """The verdict of a pair: the worst of its gates."""
    return min((one.verdict for one in findings), key=_WORST_FIRST.index, default="pass")


def is_feasible(findings: tuple[Finding, ...]) -> bool:
    """Whether every gate holds, at least on condition."""
    return worst(findings) in ("pass", "conditional")


def kinds_fit(surplus: str, need: str, processing_on_site: bool, same_site: bool = False) -> bool:
    """
    Whether the kinds written down as *surplus* and *need* pass the gates G1 to G8.

    *same_site*: both lie on one site, where some soils may be buried that may go nowhere else.
    """
    known = _FITS.get((surplus, need, processing_on_site, same_site))
    if known is None:
        found = judge(kind_of(surplus), kind_of(need), processing_on_site, same_site)
        if len(_FITS) > 1_000_000:
            _FITS.clear()
        known = _FITS[surplus, need, processing_on_site, same_site] = is_feasible(found)
    return known


_FITS: dict[tuple[str, str, bool, bool], bool] = {}


def workings_of(surplus: str, need: str) -> tuple[str, ...] | None:
    """The workings that the kind *surplus* needs to serve the kind *need*; None: it never does."""
    giver, taker = kind_of(surplus), kind_of(need)
    if not is_feasible(judge(giver, taker, True)):
        return None
    return _way(giver, taker).processings


@lru_cache(maxsize=65536)
def fits_better_at_home(surplus: str) -> bool:
    """Whether *surplus* may pass on its own site what it fails elsewhere: invasive plants (G5)."""
    return kind_of(surplus).invasive_status == "present"


@lru_cache(maxsize=65536)
def judge(
    surplus: Kind, need: Kind, processing_on_site: bool = False, same_site: bool = False
) -> tuple[Finding, ...]:
    """The findings of the gates G1 to G8 (docs/knowledge.md), which need no time and no place."""
    return (
        contamination(surplus, need),
        waste_status(surplus, need),
        mara_route(surplus, need),
        acid_sulphate(surplus, need),
        invasive(surplus, need, same_site),
        *material(surplus, need, processing_on_site),
        suitability(surplus, need),
        frost_and_size(surplus, need),
    )


def _found(
    gate: str, verdict: Verdict, offered: str, wanted: str, papers: Iterable[str]
) -> Finding:
    ids = tuple(dict.fromkeys(papers))
    return Finding(gate, verdict, offered, wanted, in_words(ids) or None, ids)


def contamination(surplus: Kind, need: Kind) -> Finding:
    """G1: the worst substance decides; never traded against distance or price."""
    offered, wanted = surplus.contamination, f"≤ {need.max_contamination}"
    basis = need.max_contamination_basis

    def found(verdict: Verdict, *papers: str) -> Finding:
        return _found("G1_contamination", verdict, offered, wanted, papers)

    if offered == "unknown":
        return found("unknown", LABORATORY)
    rank = quality.contamination_rank(offered)
    limit = quality.contamination_rank(need.max_contamination) or 0  # silence takes what is clean
    if rank is not None and rank >= 4:
        return found("fail", HAZARDOUS)
    if rank is None or rank > limit:
        return found("fail")
    if rank >= 2 and need.site_kind not in _PERMITTED_SITES and basis not in _NAMES_THE_CLASS:
        return found("fail")
    papers = [_ACCEPTS.get(basis, "acceptance_of_class")] if rank >= 1 else []
    told_by_others = surplus.contamination_basis == "imported"
    unproven = surplus.contamination_basis not in ("lab_report", "site_survey")
    if (_is_suspect(surplus) and unproven) or told_by_others:
        papers.append("laboratory_report_or_site_survey")
    return found("conditional" if papers else "pass", *papers)


def _is_suspect(surplus: Kind) -> bool:
    return (
        surplus.material == "made_ground"
        or surplus.site_kind == "contaminated_site"
        or surplus.suspected_place
    )


def waste_status(surplus: Kind, need: Kind) -> Finding:
    """G2: what is waste needs a named route; clean soil a document of its certain use."""
    status, route = surplus.waste_status, surplus.legal_route or "unknown"
    told = (status, "" if route == "unknown" else route, surplus.waste_code)
    offered = ", ".join(filter(None, told))

    def found(verdict: Verdict, *papers: str) -> Finding:
        return _found("G2_waste_status", verdict, offered, "a legal route", papers)

    group = MATERIALS[surplus.material].group if surplus.material in MATERIALS else "unknown"
    soiled = group == "natural" and (quality.contamination_rank(surplus.contamination) or 0) >= 1
    is_waste = status == "waste" or group == "recovered"
    # a decision on contaminated soil is no route for what was recovered
    routes = (*_ROUTES, "ysl136") if group != "recovered" else _ROUTES
    refused = not enumerations.known("waste_status", status) or _stays_waste(surplus)
    if refused or is_hazardous(surplus.waste_code):
        return found("fail", *((HAZARDOUS,) if is_hazardous(surplus.waste_code) else ()))
    if status == "unknown":
        return found("unknown", "waste_status")
    chosen = route if (is_waste or soiled) and route in routes else status
    if chosen in (*routes, "end_of_waste", "by_product"):
        return found("conditional", *_papers_of(surplus, chosen))
    if is_waste or soiled or status != "not_waste":
        return found("unknown", "legal_route")
    return found("pass") if group == "product" else found("conditional", "planned_use")


def _stays_waste(surplus: Kind) -> bool:
    """Concrete crushed where it was demolished has no approved maker, so no end of waste."""
    crushed_there = surplus.material == "crushed_concrete" and surplus.made_at_demolition_site
    return bool(crushed_there) and "end_of_waste" in (surplus.waste_status, surplus.legal_route)


def _papers_of(surplus: Kind, route: str) -> tuple[str, ...]:
    paper = _ROUTE_PAPERS.get(route, "waste_status")
    if route == "end_of_waste" and surplus.material == "crushed_concrete":
        paper = "concrete_makers_approval"
    status = route if route in ("by_product", "end_of_waste") else "waste"
    moved = needs_transfer_document(surplus.material, status, surplus.contamination)
    return (paper, TRANSFER) if moved else (paper,)


def mara_route(surplus: Kind, need: Kind) -> Finding:
    """G3: MARA's structures, places, layers and piece sizes, where MARA is the route chosen."""

    def found(verdict: Verdict, offered: str, wanted: str, *papers: str) -> Finding:
        return _found("G3_mara", verdict, offered, wanted, papers)

    if surplus.legal_route != "mara":
        return found("pass", surplus.legal_route or "no MARA route", "no MARA route")
    rules = mara(surplus.material) if surplus.material in MATERIALS else None
    if rules is None:
        return found("fail", surplus.material, "a material of MARA")
    refused = next(_mara_refusals(surplus, need, rules), None)
    if refused is not None:
        return found("fail", *refused)
    structure = need.structure or "not told"
    limit = rules.max_layer_m(structure)
    missing = [
        paper
        for paper, is_missing in (
            ("structure", need.structure is None),
            ("groundwater_area", need.groundwater_area is None),
            ("layer_thickness", need.layer_m is None),
            ("layer_limit", need.structure is not None and limit is None),
        )
        if is_missing
    ]
    if missing:
        return found("unknown", rules.id, f"{structure}, layer {need.layer_m} m", *missing)
    return found("conditional", rules.id, structure, *_mara_papers(surplus, need, rules))


def _mara_refusals(surplus: Kind, need: Kind, rules: Mara) -> Iterator[tuple[str, str]]:
    """What breaks MARA's limits: the limit and the value that breaks it."""
    structure = need.structure
    limit = None if structure is None else rules.max_layer_m(structure)
    if structure is not None and not rules.allows(structure):
        yield ", ".join(one.structure for one in rules.allowed), structure
    if need.groundwater_area:
        yield rules.id, "a groundwater area of class 1 or 2"
    if need.play_area:
        yield rules.id, "a children's play area"
    if need.housing_area and rules.bars_housing:
        yield rules.id, "a housing area"
    for told, least, what in (
        (need.above_groundwater_m, LEAST_ABOVE_GROUNDWATER_M, "above groundwater"),
        (need.well_distance_m, LEAST_WELL_DISTANCE_M, "from a household well"),
    ):
        if told is not None and told < least:
            yield f"≥ {least:g} m {what}", f"{told:g} m"
    if limit is not None and need.layer_m is not None and need.layer_m > limit:
        yield f"layer ≤ {limit} m", f"layer {need.layer_m} m"
    piece, largest = surplus.max_particle_mm, rules.max_particle_mm
    if piece is not None and largest is not None and piece > largest:
        yield f"{piece} mm", f"≤ {largest} mm"


def _mara_papers(surplus: Kind, need: Kind, rules: Mara) -> Iterator[str]:
    yield LABORATORY
    if surplus.max_particle_mm is None and rules.max_particle_mm is not None:
        yield "particle_size_test"
    if need.cover is None:
        yield "cover"
    if need.play_area is None:
        yield "no_play_area"
    if need.housing_area is None and rules.bars_housing:
        yield "no_housing_area"
    if need.above_groundwater_m is None or need.well_distance_m is None:
        yield "groundwater_and_well"
    if rules.max_t_per_site is not None:
        yield "asphalt_amount"


def most_by_mara(surplus: Kind) -> float | None:
    """The tonnes of *surplus* that MARA lets into one site; None where it sets no limit."""
    if surplus.legal_route != "mara" or surplus.material not in MATERIALS:
        return None
    rules = mara(surplus.material)
    return None if rules is None else rules.max_t_per_site


@lru_cache(maxsize=65536)
def is_limited(kind: str) -> bool:
    """Whether the law limits how much of a surplus of *kind* one site may get."""
    return most_by_mara(kind_of(kind)) is not None


def acid_sulphate(surplus: Kind, need: Kind) -> Finding:
    """G4: sulphide soils only to who takes them, or under water with a permit."""
    wanted = "acid sulphate accepted" if need.accepts_acid_sulphate else "none"
    status, suggested = surplus.acid_sulphate, surplus.acid_sulphate_suggested == "potential"
    offered = f"{status}, screening suggests potential" if suggested else status

    def found(verdict: Verdict, *papers: str) -> Finding:
        return _found("G4_acid_sulphate", verdict, offered, wanted, papers)

    never_none = surplus.material == "sulphide_clay" and status == "none"
    if status in ("potential", "actual") or never_none:
        if need.accepts_acid_sulphate:
            return found("conditional", "acid_sulphate_permit")
        under_water = need.use == "underwater_fill"
        return found("conditional", "water_permit") if under_water else found("fail")
    if status not in ("none", "unknown"):
        return found("fail")
    if suggested or (status == "unknown" and needs_acid_sulphate(surplus.material)):
        return found("conditional", "acid_sulphate_test")
    return found("pass")


def invasive(surplus: Kind, need: Kind, same_site: bool) -> Finding:
    """G5: invasive plants stay on their site, go deep or where permitted; never into a bed."""
    wanted = need.use or need.site_kind

    def found(verdict: Verdict, *papers: str) -> Finding:
        return _found("G5_invasive", verdict, surplus.invasive_status, wanted, papers)

    match surplus.invasive_status:
        case "none_observed":
            return found("pass")
        case "treated":
            return found("conditional", "proof_of_treatment")
        case "suspected":
            return found("unknown", SURVEY)
        case "present":
            ends = _ends_of_invasive(need, same_site)
            return found("conditional", ends[0]) if ends else found("fail")
        case "unknown" if needs_invasive_status(surplus.material):
            return found("conditional", SURVEY)
        case status:
            return found("pass" if status == "unknown" else "fail")


def _ends_of_invasive(need: Kind, same_site: bool) -> list[str]:
    """Where soil with invasive plants may end, as the papers of it."""
    ends = (
        (same_site, "burial_on_site"),
        (need.deep_cover, "deep_cover"),
        (need.site_kind == "disposal_site", "permitted_reception"),
    )
    return [paper for is_open, paper in ends if is_open and need.use not in _GROWING]


def material(surplus: Kind, need: Kind, processing_on_site: bool) -> Iterator[Finding]:
    """G6, and whether a working that it asks for can be had."""
    chosen = _way(surplus, need)
    wanted = need.material if need.use is None else f"{need.material} for {need.use}"
    conditions = [one for one in chosen.conditions if one != "mara" or not _other_route(surplus)]
    needed = ", ".join((*conditions, *chosen.processings)) or None
    yield Finding("G6_material", chosen.verdict, surplus.material, wanted, needed,
                  papers_of(conditions))  # fmt: skip
    if chosen.processings:
        working = ", ".join(chosen.processings)
        verdict: Verdict = "conditional" if processing_on_site else "unknown"
        where = "on the site" if processing_on_site else "no area for it is known"
        yield Finding("processing", verdict, where, working, working)


def _other_route(surplus: Kind) -> bool:
    """Whether another route than MARA was chosen, whose paper G2 names."""
    others = ("permit", "end_of_waste", "by_product")
    return surplus.legal_route in others or surplus.waste_status in others


def _way(surplus: Kind, need: Kind) -> Suited:
    every = ways(surplus.material, need_material=need.material, use=need.use)
    return next((way for way in every if not way.processings), every[0])


def suitability(surplus: Kind, need: Kind) -> Finding:
    """G7: at least as good as the need and its use ask."""
    tier = use_rules(need.use).min_tier
    asked = [one for one in (need.quality, tier) if one not in (None, "any", "unknown")]
    wanted = " and ".join(map(str, asked)) or "any"
    answers = [
        quality.better_or_equal(
            surplus.quality, str(one), accepts_unknown=need.accepts_unknown_quality
        )
        for one in asked
    ]
    verdict: Verdict = min(answers, key=_WORST_FIRST.index, default="pass")
    papers = ("suitability_class",) if verdict == "unknown" else ()
    return _found("G7_suitability", verdict, surplus.quality, wanted, papers)


def frost_and_size(surplus: Kind, need: Kind) -> Finding:
    """G8: frost and piece size, where the need or its use sets a limit."""
    stated = (need.max_frost_class, use_rules(need.use).max_frost)
    asked = [code for code in stated if code not in (None, "unknown")]
    frost = min(asked, key=lambda code: quality.frost_rank(str(code)) or 0, default=None)
    size = need.max_particle_mm
    limits = [f"frost ≤ {frost}"] if frost else []
    wanted = ", ".join([*limits, f"≤ {size:g} mm"] if size is not None else limits)
    piece = "" if surplus.max_particle_mm is None else f"{surplus.max_particle_mm:g} mm"
    offered = ", ".join(filter(None, (surplus.frost_class, piece))) or "not told"
    missing: list[str] = []
    verdict: Verdict = "pass"
    if frost is not None:
        rank = quality.frost_rank(surplus.frost_class) if surplus.frost_class else None
        if surplus.frost_class in (None, "unknown"):
            missing.append("frost_test")
        elif rank is None or rank > (quality.frost_rank(frost) or 0):
            verdict = "fail"
    if size is not None:
        if surplus.max_particle_mm is None:
            missing.append("particle_size_test")
        elif surplus.max_particle_mm > size:
            verdict = "fail"
    if verdict == "pass" and missing:
        verdict = "conditional"
    return _found("G8_frost_and_size", verdict, offered, wanted or "any", missing)
