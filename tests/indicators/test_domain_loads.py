"""Loads by their outlet: reuse, transport, savings; the worked examples of the definitions."""

from datetime import date
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.indicators.domain import (
    HAUL,
    Baseline,
    Figure,
    Haul,
    KeptLoad,
    KeptLot,
    Load,
    Pace,
    cost_avoided_eur,
    emissions_avoided_kg,
    figures_of,
    fuel_avoided_l,
    load_cells,
    load_of,
    take_loads,
)
from shared.vocabulary.factors import vehicle
from shared.vocabulary.tables import table
from tests.indicators.telling import NOON, a_lot, an_end, named

BASELINE = Baseline(25.0, 1500.0, 0.0, 20.0, 800.0, 5000.0)


def the_case(kpi: str) -> Any:
    return next(one for one in table("kpi")["tests"] if one["kpi"] == kpi)


def a_load(name: object = "load", *, t: float = 100, revision: int = 1, **told: Any) -> Load:
    """100 t from the pit to the bank, 10 km, weighed."""
    fields: dict[str, Any] = {
        "at": NOON,
        "surplus": an_end("pit"),
        "need": an_end("bank", municipality="091"),
        "material": "till",
        "outlet": "need_direct",
        "kg": round(t * 1000),
        "moved_on": date(2026, 6, 20),
        "matched": True,
        "method": "weighed",
        "km": 10.0,
        "baseline": BASELINE,
    }
    return Load(named(name), revision, **(fields | told))


def told_of(*loads: Load, pace: Pace | None = None) -> dict[str, Figure]:
    """The delivered figures of *loads*, as the region's cells add them up."""
    sums: dict[tuple[str, str], list[int]] = {}
    for load in loads:
        for key, amounts in load_cells(load_of(load)).items():
            if key[0] == "region":
                total = sums.setdefault((key[3], key[5]), [0] * len(HAUL))
                total[:] = [a + b for a, b in zip(total, amounts, strict=True)]
    hauls = {key: Haul(*total) for key, total in sums.items()}
    figures = figures_of({}, {}, hauls, pace)
    return {one.indicator: one for one in figures if one.state == "delivered"}


def by_outlet(told: dict[str, float]) -> list[Load]:
    """Loads that come to *told* tonnes in each outlet, as facts.md names them."""
    alone = {"need": None, "matched": False}
    made = []
    for outlet, t in told.items():
        if outlet == "into_storage":
            made.append(a_load(outlet, t=t, outlet="need_via_storage", into_storage=True, **alone))
        elif outlet == "need_via_storage":
            made.append(a_load(outlet, t=t, outlet=outlet, surplus=None, matched=False))
        elif outlet == "need_direct":
            made.append(a_load(outlet, t=t))
        else:
            made.append(a_load(outlet, t=t, outlet=outlet, **alone))
    return made


def test_reuse_of_the_worked_example_comes_out_of_its_loads() -> None:
    """K1a 0.5833 and K1b 0.75; landfill structures, unknown outlets and stock stand beside."""
    case = the_case("K1")
    figures = told_of(*by_outlet(case["given"]))

    assert figures["K1a"].denominator == case["off_site_surplus"]
    assert round(figures["K1a"].value or 0, 4) == case["K1a"]
    assert round(figures["K1b"].value or 0, 4) == case["K1b"]
    assert figures["K1a"].beside["landfill_structure_t"] == 50
    assert figures["K1a"].beside["stock_change_t"] == 200
    assert figures["K10"].value == 250


def test_without_loads_nothing_is_known() -> None:
    """Null with its reason, never 0 or 1."""
    figures = told_of()
    assert all(one.value is None and one.why for one in figures.values())


def test_without_on_site_use_told_k1b_is_unknown() -> None:
    """And never the number of K1a by accident."""
    assert told_of(a_load())["K1b"].value is None


def test_emissions_of_the_worked_example() -> None:
    """K7 18.564 t CO2e of 10 000 t moved 8 instead of 25 km."""
    case = the_case("K7")
    told = case["given"]
    ef = vehicle(told["vehicle"]).co2e_kg_per_tkm
    kg = emissions_avoided_kg(
        told["t"], d_ref=told["d_ref"], d_act=told["d_act"], ef=ef, s=told["s"],
        gate_work=told["gate_work"], processing=told["processing"],
    )  # fmt: skip
    assert round(kg / 1000, 3) == case["t_co2e"]
    base = Baseline(told["d_ref"])
    load = a_load(t=told["t"], km=told["d_act"], vehicle=told["vehicle"], baseline=base,
                  need=an_end("bank", material="sand"))  # fmt: skip
    assert round(told_of(load)["K7"].value or 0, 3) == case["t_co2e"]


def test_costs_of_the_worked_example() -> None:
    """K8 178 900 EUR with a gate fee of 15 EUR/t."""
    case = the_case("K8")
    told = case["given"]
    eur = cost_avoided_eur(
        told["t"], d_ref=told["d_ref"], d_act=told["d_act"], eur_per_tkm=told["eur_per_tkm"],
        gate_fee=told["gate_fee"], s=told["s"],
    )  # fmt: skip
    assert round(eur) == case["eur"]
    base = Baseline(told["d_ref"], told["gate_fee"] * 100)
    load = a_load(t=told["t"], km=told["d_act"], baseline=base,
                  need=an_end("bank", material="sand"))  # fmt: skip
    assert told_of(load)["K8"].value == case["eur"]


def test_fuel_of_the_worked_example() -> None:
    """K9 6 987 l."""
    case = the_case("K9")
    told = case["given"]
    litres = fuel_avoided_l(
        told["t"], d_ref=told["d_ref"], d_act=told["d_act"],
        l_per_tkm=vehicle(told["vehicle"]).diesel_l_per_tkm,
    )  # fmt: skip
    assert round(litres) == case["litres"]
    load = a_load(t=told["t"], km=told["d_act"], vehicle=told["vehicle"])
    assert round(told_of(load)["K9"].value or 0) == case["litres"]


def test_mean_haul_of_the_worked_example() -> None:
    """K6 18.75 km: 100 t by a storage (10 + 5 km) and 300 t over 20 km; the tonnes once."""
    case = the_case("K6")
    stored, direct = case["given"]
    into, out = stored["legs_km"]
    loads = [
        a_load("in", t=stored["t"], outlet="need_via_storage", into_storage=True, need=None,
               km=into),
        a_load("out", t=stored["t"], outlet="need_via_storage", surplus=None, km=out),
        a_load("direct", t=direct["t"], km=direct["legs_km"][0]),
    ]  # fmt: skip
    figures = told_of(*loads)
    assert figures["K6"].value == case["km"]
    assert figures["K5"].value == 100 * 15 + 300 * 20


def test_a_longer_haul_than_the_reference_is_shown_as_a_loss() -> None:
    """The naive form would grow with the distance."""
    load = a_load(km=60.0, need=an_end("bank", material="sand"))
    assert (told_of(load)["K7"].value or 0) < 0
    assert (told_of(load)["K9"].value or 0) < 0


def test_disposal_is_the_counterfactual_and_saves_nothing() -> None:
    """It counts in transport work and in the surplus, not as a saving."""
    load = a_load(outlet="disposal", need=None, matched=False)
    figures = told_of(load)
    assert (figures["K7"].value, figures["K8"].value, figures["K5"].value) == (0, 0, 1000)
    assert (figures["K1a"].value, figures["K10"].value, figures["M1"].value) == (0, 100, 0)


def test_recovered_share_needs_the_virgin_deliveries() -> None:
    """K2 is null without them, not 1; with 300 t bought beside 100 t it is a quarter."""
    virgin = a_load("bought", t=300, surplus=None, virgin=True, matched=False, baseline=None)
    alone = told_of(a_load())
    assert alone["K2"].value is None
    assert "virgin deliveries" in (alone["K2"].why or "")
    both = told_of(a_load(), virgin)
    assert both["K2"].value == 0.25
    assert both["K4"].value == 100, "virgin material avoids none"
    assert both["K5"].value == 1000, "virgin hauls leave no project"


def test_virgin_is_avoided_by_like_material_only() -> None:
    """Substitution share 1 for the like material, 0 otherwise."""
    other = a_load(need=an_end("bank", material="sand"))
    assert (told_of(a_load())["K4"].value, told_of(other)["K4"].value) == (100, 0)


def test_on_site_use_leaves_no_gate() -> None:
    """It moves nothing out of the project and counts in K1b and K15 alone."""
    figures = told_of(a_load(outlet="onsite", matched=False))
    assert (figures["K5"].value, figures["K1a"].value, figures["K1b"].value) == (0, None, 1)
    assert figures["K15"].value == 1


def test_zero_emission_share_is_of_known_energy() -> None:
    """HVO is fossil-free, not in the numerator; the share of unknown energy stands beside."""
    figures = told_of(
        a_load("e", energy="electric"), a_load("h", energy="hvo", t=300), a_load("u", t=400)
    )
    assert figures["K13"].value == 0.25
    assert figures["K13"].beside["unknown_energy_share"] == 0.5


def test_distances_nobody_told_are_in_no_mean() -> None:
    """They stand beside it; a haul as long as the match says is marked as modelled."""
    figures = told_of(a_load("a", km=12.0, modelled=True), a_load("b", km=None, t=50))
    assert (figures["K6"].value, figures["K6"].unverified_share) == (12.0, 1.0)
    assert figures["K5"].beside["without_distance_t"] == 50


def test_coverage_counts_every_load_once_and_stands_beside_every_figure() -> None:
    """Of 100 t weighed and 300 t estimated a quarter is measured."""
    figures = told_of(a_load("a"), a_load("b", t=300, method="estimate"))
    assert figures["K15"].value == 0.25
    assert all(one.beside["data_coverage"] == 0.25 for id, one in figures.items() if id != "K15")


def test_cross_border_is_by_the_place() -> None:
    """The same owner in two municipalities crosses, two owners in one do not."""
    near = a_load("near", t=300, need=an_end("bank", organisation="kivikasa"))
    assert told_of(a_load(), near)["K11"].value == 0.25


def test_what_is_told_from_one_end_only_breaks_the_balance_openly() -> None:
    """M3 is 0 where both ends are told; sand that nobody received is listed."""
    assert told_of(a_load())["M3"].value == 0
    lost = a_load("lost", t=40, need=None, matched=False)
    assert told_of(a_load(), lost)["M3"].value == -40
    found = a_load("found", t=40, surplus=None, matched=False)
    assert told_of(a_load(), lost, found)["M3"].value == 0


def test_coordinated_is_what_moved_under_an_agreement() -> None:
    """M1: 100 of 400 t."""
    assert told_of(a_load(), a_load("b", t=300, matched=False))["M1"].value == 0.25


def test_time_to_agreement_and_declines_have_their_numbers_beside_them() -> None:
    """K14 with the lots still open, M5 with the reasons."""
    pace = Pace(12.5, 4, 9, 3, {"distance": 2, "price": 1})
    told = {one.indicator: one for one in figures_of({}, {}, {}, pace) if one.state == "agreed"}
    assert (told["K14"].value, told["K14"].beside) == (12.5, {"lots_agreed": 4, "lots_open": 9})
    assert told["M5"].value == 0.5
    assert told["M5"].beside == {"declined_distance": 2, "declined_price": 1}


def test_loads_since_the_day_of_the_amount_are_off_the_lot() -> None:
    """1 000 t told on 1 June, 100 t moved on the 20th: 900 t are left; moved in May, 1 000 t."""
    for day, left in ((date(2026, 6, 20), 900_000), (date(2026, 5, 20), 1_000_000)):
        lots = {named("pit"): KeptLot(named("pit"), a_lot("pit", as_of=date(2026, 6, 1)))}
        _, touched, balance, _ = take_loads(lots, {}, [a_load(need=None, moved_on=day)])
        assert touched[0].left is not None
        assert touched[0].left.kg == left
        delivered = sum(v[1] for k, v in balance.items() if (k[0], k[5]) == ("region", "delivered"))
        assert delivered == 100_000


loads_told = st.builds(
    lambda name, ends, **told: a_load(
        name, surplus=an_end("pit") if ends != "need" else None,
        need=an_end("bank") if ends != "surplus" else None, **told,
    ),
    st.integers(0, 3),
    st.sampled_from(["both", "surplus", "need"]),
    t=st.integers(0, 500),
    revision=st.integers(1, 4),
    outlet=st.sampled_from(["need_direct", "disposal", "onsite", "need_via_storage"]),
    moved_on=st.dates(date(2026, 4, 1), date(2026, 9, 1)),
)  # fmt: skip


@given(st.lists(loads_told, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_reports_and_corrections_has_no_influence(news: list[Load], chance) -> None:
    """Late, twice and corrected, perhaps to another lot: the same lots, the same cells."""
    news = list({(one.id, one.revision): one for one in news}.values())

    def after(order: list[Load]) -> tuple[Any, Any]:
        lots = {named(id): KeptLot(named(id), a_lot(id)) for id in ("pit", "bank")}
        kept: dict[Any, KeptLoad] = {}
        cells: dict[Any, tuple[int, ...]] = {}
        for load in order:
            renewed, touched, _, changes = take_loads(lots, kept, [load])
            kept |= {one.id: one for one in renewed}
            lots |= {one.id: one for one in touched}
            for key, amounts in changes.items():
                known = cells.get(key, (0,) * len(amounts))
                cells[key] = tuple(a + b for a, b in zip(known, amounts, strict=True))
        moved = {id: (one.moved, one.contribution) for id, one in lots.items() if one.moved}
        return moved, {key: amounts for key, amounts in cells.items() if any(amounts)}

    shuffled = [*news, *news]
    chance.shuffle(shuffled)
    assert after(shuffled) == after(sorted(news, key=lambda one: one.revision))
