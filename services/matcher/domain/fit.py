"""May this serve that? The gates, each with its verdict and the two values it compared."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from services.matcher.domain.values import Kind, kind_of
from shared.vocabulary import enumerations, quality
from shared.vocabulary.materials import MATERIALS, needs_acid_sulphate, needs_invasive_status
from shared.vocabulary.uses import Suited, mara, use_rules, ways

Verdict = Literal["pass", "conditional", "unknown", "fail"]
_WORST_FIRST: Final = ("fail", "unknown", "conditional", "pass")
_PERMITTED_SITES: Final = ("processing_site", "disposal_site", "hazardous_reception")
_ROUTES: Final = ("mara", "permit", "end_of_waste", "by_product")
_GROWING: Final = ("growing_medium", "landscaping")

LABORATORY = "laboratory report"
SURVEY = "invasive species survey"
TRANSFER = "transfer document"


class Finding(NamedTuple):
    """One gate's verdict; *needed* is what must be shown or done before the match is agreed."""

    gate: str
    verdict: Verdict
    offered: str
    wanted: str
    needed: str | None = None


def worst(findings: tuple[Finding, ...]) -> Verdict:
    """The verdict of a pair: the worst of its gates."""
    return min((one.verdict for one in findings), key=_WORST_FIRST.index, default="pass")


def is_feasible(findings: tuple[Finding, ...]) -> bool:
    """Whether every gate holds, at least on condition."""
    return worst(findings) in ("pass", "conditional")


def kinds_fit(surplus: str, need: str, processing_on_site: bool) -> bool:
    """Whether the kinds written down as *surplus* and *need* pass the gates G1 to G8."""
    known = _FITS.get((surplus, need, processing_on_site))
    if known is None:
        found = judge(kind_of(surplus), kind_of(need), processing_on_site)
        if len(_FITS) > 1_000_000:
            _FITS.clear()
        known = _FITS[surplus, need, processing_on_site] = is_feasible(found)
    return known


_FITS: dict[tuple[str, str, bool], bool] = {}


def workings_of(surplus: str, need: str) -> tuple[str, ...] | None:
    """The workings that the kind *surplus* needs to serve the kind *need*; None: it never does."""
    giver, taker = kind_of(surplus), kind_of(need)
    if not is_feasible(judge(giver, taker, True)):
        return None
    return _way(giver, taker).processings


@lru_cache(maxsize=65536)
def judge(surplus: Kind, need: Kind, processing_on_site: bool = False) -> tuple[Finding, ...]:
    """The findings of the gates G1 to G8 (facts.md section 3), which need no time and no place."""
    return (
        contamination(surplus, need),
        waste_status(surplus, need),
        mara_route(surplus, need),
        acid_sulphate(surplus, need),
        invasive(surplus, need),
        *material(surplus, need, processing_on_site),
        suitability(surplus, need),
        frost_and_size(surplus, need),
    )


def contamination(surplus: Kind, need: Kind) -> Finding:
    """G1: the worst substance decides; never traded against distance or price."""
    offered, wanted = surplus.contamination, f"≤ {need.max_contamination}"

    def found(verdict: Verdict, needed: str | None = None) -> Finding:
        return Finding("G1_contamination", verdict, offered, wanted, needed)

    if offered == "unknown":
        return found("unknown", LABORATORY)
    rank = quality.contamination_rank(offered)
    limit = quality.contamination_rank(need.max_contamination) or 0  # silence takes what is clean
    if rank is None or rank >= 4 or rank > limit:
        return found("fail")
    if rank >= 2 and need.site_kind not in _PERMITTED_SITES:
        return found("fail")
    if rank >= 1:
        return found("conditional", "permit, decision or site assessment that names the class")
    suspect = surplus.material == "made_ground" or surplus.site_kind == "contaminated_site"
    told_by_others = surplus.contamination_basis == "imported"
    if (suspect and surplus.contamination_basis not in ("lab_report", "site_survey")) or (
        told_by_others
    ):
        return found("conditional", f"{LABORATORY} or site survey")
    return found("pass")


def waste_status(surplus: Kind, need: Kind) -> Finding:
    """G2: what is waste needs a named route; clean soil a document of its certain use."""
    route = surplus.legal_route or "unknown"
    offered = surplus.waste_status if route == "unknown" else f"{surplus.waste_status}, {route}"

    def found(verdict: Verdict, needed: str | None = None) -> Finding:
        return Finding("G2_waste_status", verdict, offered, "a legal route", needed)

    group = MATERIALS[surplus.material].group if surplus.material in MATERIALS else "unknown"
    status = surplus.waste_status
    is_waste = status == "waste" or group == "recovered"
    # a decision on contaminated soil is no route for what was recovered
    routes = (*_ROUTES, "ysl136") if group != "recovered" else _ROUTES
    if not enumerations.known("waste_status", status):
        return found("fail")
    if status == "unknown":
        return found("unknown", "waste status")
    if is_waste and route not in routes and status not in ("by_product", "end_of_waste"):
        return found("unknown", "legal route")
    if is_waste and route in routes:
        return found("conditional", _paper_of(surplus.material, route))
    if status != "not_waste":
        return found("conditional", _paper_of(surplus.material, status))
    used = found("conditional", "document of the certain, planned use")
    return found("pass") if group == "product" else used


def _paper_of(material: str, route: str) -> str:
    papers = {
        "mara": f"MARA notification, {TRANSFER}",
        "permit": f"environmental permit, {TRANSFER}",
        "ysl136": f"decision under YSL 136, {TRANSFER}",
        "by_product": "by-product decision",
        "end_of_waste": "end-of-waste conformity",
    }
    if route == "end_of_waste" and material == "crushed_concrete":
        return "maker's approval under VNa 466/2022"
    return papers.get(route, f"waste status {route}")


def mara_route(surplus: Kind, need: Kind) -> Finding:
    """G3: MARA's structures, layers and piece sizes, where MARA is the route chosen."""

    def found(verdict: Verdict, offered: str, wanted: str, needed: str | None = None) -> Finding:
        return Finding("G3_mara", verdict, offered, wanted, needed)

    if surplus.legal_route != "mara":
        return found("pass", surplus.legal_route or "no MARA route", "no MARA route")
    rules = mara(surplus.material) if surplus.material in MATERIALS else None
    if rules is None:
        return found("fail", surplus.material, "a material of MARA")
    allowed = ", ".join(one.structure for one in rules.allowed)
    structure, layer = need.structure or "not told", need.layer_m
    limit = rules.max_layer_m(structure)
    piece, largest = surplus.max_particle_mm, rules.max_particle_mm
    test = "" if piece is not None or largest is None else ", particle size test"
    missing = "layer thickness" if layer is None else "the layer's limit"
    checks = (  # what fails comes first: a missing fact would not mend it
        (need.structure is not None and not rules.allows(structure),
         found("fail", allowed, structure)),
        (need.groundwater_area, found("fail", rules.id, "a groundwater area")),
        (layer is not None and limit is not None and layer > limit,
         found("fail", f"layer ≤ {limit} m", f"layer {layer} m")),
        (piece is not None and largest is not None and piece > largest,
         found("fail", f"{piece} mm", f"≤ {largest} mm")),
        (need.structure is None, found("unknown", allowed, structure, "structure of the need")),
        (need.groundwater_area is None, found("unknown", rules.id, "groundwater area not told",
                                              "groundwater area")),
        (layer is None or limit is None,
         found("unknown", f"layer ≤ {limit} m", f"layer {layer} m", missing)),
    )  # fmt: skip
    holds = found("conditional", rules.id, structure, f"{LABORATORY}{test}")
    return next((finding for applies, finding in checks if applies), holds)


def acid_sulphate(surplus: Kind, need: Kind) -> Finding:
    """G4: sulphide soils only to who takes them, or under water with a permit."""
    wanted = "acid sulphate accepted" if need.accepts_acid_sulphate else "none"

    def found(verdict: Verdict, needed: str | None = None) -> Finding:
        return Finding("G4_acid_sulphate", verdict, surplus.acid_sulphate, wanted, needed)

    status = surplus.acid_sulphate
    never_none = surplus.material == "sulphide_clay" and status == "none"
    if status in ("potential", "actual") or never_none:
        if need.accepts_acid_sulphate:
            return found("conditional", "the receiver's permit for acid sulphate soil")
        under_water = need.use == "underwater_fill"
        return found("conditional", "water permit") if under_water else found("fail")
    if status == "unknown" and needs_acid_sulphate(surplus.material):
        return found("conditional", "acid sulphate test")
    return found("pass" if status in ("none", "unknown") else "fail")


def invasive(surplus: Kind, need: Kind) -> Finding:
    """G5: invasive plants never go into growing medium or landscaping."""
    wanted = need.use or need.site_kind

    def found(verdict: Verdict, needed: str | None = None) -> Finding:
        return Finding("G5_invasive", verdict, surplus.invasive_status, wanted, needed)

    match surplus.invasive_status:
        case "none_observed":
            return found("pass")
        case "treated":
            return found("conditional", "proof of treatment")
        case "suspected":
            return found("unknown", SURVEY)
        case "present":
            buried = need.site_kind == "disposal_site" and need.use not in _GROWING
            return found("conditional", "permitted reception") if buried else found("fail")
        case "unknown":
            asked = needs_invasive_status(surplus.material)
            return found("conditional", SURVEY) if asked else found("pass")
        case _:
            return found("fail")


def material(surplus: Kind, need: Kind, processing_on_site: bool) -> Iterator[Finding]:
    """G6, and whether a working that it asks for can be had."""
    chosen = _way(surplus, need)
    wanted = need.material if need.use is None else f"{need.material} for {need.use}"
    needed = ", ".join((*chosen.conditions, *chosen.processings)) or None
    yield Finding("G6_material", chosen.verdict, surplus.material, wanted, needed)
    if chosen.processings:
        working = ", ".join(chosen.processings)
        verdict: Verdict = "conditional" if processing_on_site else "unknown"
        where = "on the site" if processing_on_site else "no area for it is known"
        yield Finding("processing", verdict, where, working, working)


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
    needed = "suitability class" if verdict == "unknown" else None
    return Finding("G7_suitability", verdict, surplus.quality, wanted, needed)


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
            missing.append("frost test")
        elif rank is None or rank > (quality.frost_rank(frost) or 0):
            verdict = "fail"
    if size is not None:
        if surplus.max_particle_mm is None:
            missing.append("particle size test")
        elif surplus.max_particle_mm > size:
            verdict = "fail"
    if verdict == "pass" and missing:
        verdict = "conditional"
    return Finding("G8_frost_and_size", verdict, offered, wanted or "any",
                   ", ".join(missing) or None)  # fmt: skip
