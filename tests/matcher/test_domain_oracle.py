"""The oracle of the audit judges pairs with code of its own, and comes to the same verdicts."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.audit.areas import base_of
from deploy.audit.pairs import Limits, gates_that_fail, most_tonnes, road_km
from services.matcher.domain import Rules, explain, is_feasible
from services.matcher.domain.cost import arcs
from shared.vocabulary.enumerations import codes
from shared.vocabulary.materials import MATERIALS
from tests.matcher.builders import TODAY, a_need, a_surplus, lot

LIMITS = Limits(reach_km=60, reach_by_material={}, same_place_km=5, worth_cents=0,
                co2e_cents_per_t=0, processing_on_site=False)  # fmt: skip


def mostly(usual: Any, *others: Any) -> Any:
    """The usual value, or now and then one of *others*."""
    return st.integers(0, 9).flatmap(lambda at: st.sampled_from(others) if at == 0 else usual)


def usually(usual: Any, *others: Any) -> Any:
    """*usual*, or now and then one of *others*."""
    return mostly(st.just(usual), *others)


def one_of(*values: Any) -> Any:
    """One of *values*."""
    return st.sampled_from(values)


OFFERED = {
    "contamination": mostly(one_of("P0", "P0", "P1", "P2"), "P3", "P4", "unknown"),
    "contamination_basis": one_of(*codes("contamination_basis")),
    "suspected_place": st.booleans(),
    "acid_sulphate": usually("none", *codes("acid_sulphate")),
    "acid_sulphate_suggested": one_of(None, "potential", "none"),
    "invasive_status": usually("none_observed", *codes("invasive_status")),
    "max_particle_mm": one_of(None, 16, 90),
    "quality": usually("S1", "S3", "H2", "unknown"),
    "frost_class": usually("non", None, "high"),
    "tonnes": one_of(900, 1000, 5000),
}
SOIL = st.fixed_dictionaries(
    {
        **OFFERED,
        "material": mostly(one_of("sand", "till", "clay", "topsoil", "made_ground"), *MATERIALS),
        "waste_status": usually("not_waste", *codes("waste_status")),
        "waste_code": usually(None, "17 05 04", "17 05 03*"),
        "legal_route": one_of(None, "permit", "ysl136", *codes("legal_route")),
    }
)
RECOVERED = st.fixed_dictionaries(
    {
        **OFFERED,
        "material": mostly(one_of("crushed_concrete", "asphalt_granulate", "crushed_brick"),
                           "tyre_shred", "fly_ash"),
        "waste_status": usually("waste", *codes("waste_status")),
        "waste_code": usually(None, "17 01 01", "17 01 06*"),
        "legal_route": usually("mara", None, "end_of_waste", "permit"),
        "made_at_demolition_site": one_of(None, False, True),
        "max_particle_mm": usually(16, None, 90, 91, 600),
    }
)  # fmt: skip
ASKED = st.fixed_dictionaries(
    {
        "use": mostly(one_of(None, "sub_base", "base", "general_fill"), *codes("use")),
        "quality": usually("unknown", "S2", "medium"),
        "accepts_unknown_quality": st.booleans(),
        "max_contamination": usually("P3", *codes("contamination")),
        "max_contamination_basis": usually("permit", *codes("acceptance_basis")),
        "accepts_acid_sulphate": st.booleans(),
        "deep_cover": st.booleans(),
        "site_kind": one_of("construction_site", "disposal_site"),
        "structure": usually("vayla", None, "valli", "pohjarakenne", "tuhkamursketie"),
        "layer_m": usually(1.0, None, 1.5, 1.6),
        "groundwater_area": usually(False, None, True),
        "play_area": usually(None, False, True),
        "housing_area": usually(False, None, True),
        "above_groundwater_m": usually(None, 0.5, 1.0),
        "well_distance_m": usually(30, None, 10),
        "tonnes": one_of(900, 1000, 5000),
    }
)


@settings(max_examples=300, deadline=None)
@given(SOIL | RECOVERED, ASKED, usually(True, False), st.booleans())
def test_the_oracle_and_the_gates_agree(offered, asked, same_material, own_site):
    """On any pair: feasible for the one is feasible for the other, and an arc of the plan."""
    surplus = a_surplus(**offered)
    material = offered["material"] if same_material else "sand"
    project = {"project_id": surplus.project_id} if own_site else {}
    need = a_need(**{**asked, "material": material, **project})
    bodies = [json.loads(one.body()) for one in (surplus, need)]

    bases = base_of(bodies[0], {}, LIMITS)[1], base_of(bodies[1], {}, LIMITS)[1]
    failing = gates_that_fail(*bodies, road_km(*bodies, LIMITS), bases, LIMITS)
    found = explain(lot(surplus), lot(need), Rules(), today=TODAY)
    drawn = arcs([lot(surplus)], [lot(need)], Rules(), today=TODAY)

    assert is_feasible(found) == (not failing), (failing, found)
    assert len(drawn.most) == (not failing)
    if len(drawn.most):
        assert int(drawn.most[0]) <= most_tonnes(*bodies)
