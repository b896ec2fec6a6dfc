"""The life of a match: offers, loads and corrections; nothing over-committed, balances closed."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.matcher.domain import (
    Ground,
    Load,
    Lot,
    Match,
    NotPossible,
    Offer,
    Rules,
    carried,
    decided,
    expired,
    left_t,
    moved_kg,
    placed,
    reaches,
    replan,
    tonnes_left,
    totals_of,
)
from shared.problems import sentence
from tests.matcher.builders import TODAY, a_need, a_surplus, lot, some_id

NOON = datetime(2027, 1, 15, 12, tzinfo=UTC)
EXACT = Rules(standing_bonus_cents_per_t=0, smallest_load_t=0)


def a_proposal(surplus: Lot, need: Lot, tonnes: int, **told: object) -> Match:
    """A proposal between *surplus* and *need* as the settler writes it."""
    fields = {
        "id": uuid4(), "revision": 1, "surplus_id": surplus.id, "need_id": need.id,
        "state": "proposed", "route": "direct", "standing": 1, "tonnes": tonnes,
        "cents_per_t": 900, "km": 8.0, "first": max(surplus.first, need.first),
        "last": min(surplus.last, need.last), "surplus_terms": surplus.terms,
        "need_terms": need.terms, "surplus_organisation": surplus.organisation,
        "need_organisation": need.organisation, "region": "99", "accepted_by": "",
        "declined_by": None, "decline_reason": None, "change": "proposed", "alternatives": 0,
        "next_best_cents": None, "alarm": "", "told_revision": 1, "born_at": NOON,
        "changed_at": NOON, "judged": None, **told,
    }  # fmt: skip
    return Match(**fields)  # type: ignore[arg-type]


def a_load(match: Match, tonnes: float, **told: object) -> Load:
    """Loads under *match*, told by its giver."""
    fields = {
        "id": uuid4(), "reported": 1, "revision": 1, "organisation": "acme", "reporter": "acme",
        "region": "99", "match_id": match.id, "forecast_id": None, "area_id": None,
        "surplus_id": None, "need_id": None, "outlet": "need_direct", "origin": "lot",
        "material": "sand", "kg": round(tonnes * 1000), "tag": "told", "method": "weighed",
        "moved_on": date(2027, 4, 1), "haul_km": None, "vehicle": None, "energy": None,
        "waybill": None, "under_match": False, "refused": None, "at": NOON, **told,
    }  # fmt: skip
    return Load(**fields)  # type: ignore[arg-type]


@pytest.fixture
def pair() -> tuple[Lot, Lot]:
    """A surplus of 1 000 t and a need of 800 t, with windows that differ."""
    surplus = a_surplus(tonnes=1000, window=(date(2027, 3, 1), date(2027, 6, 30)))
    need = a_need(tonnes=800, north_km=5, window=(date(2027, 4, 1), date(2027, 8, 31)))
    return lot(surplus), lot(need)


def on(*lots: Lot, **told: object) -> Ground:
    return Ground({one.id: one for one in lots}, **told)  # type: ignore[arg-type]


def test_an_offer_is_accepted_by_who_makes_it_and_the_other_side_is_asked(pair):
    """Other tonnes and days: a new revision; an earlier acceptance of the other side falls."""
    match = a_proposal(*pair, 800)
    accepted = decided(match, "acme", "accept", on(*pair), now=NOON)
    offer = Offer(500, date(2027, 4, 10), date(2027, 6, 20))
    offered = decided(accepted, "bolt", "counter", on(*pair), offer=offer, now=NOON)
    assert (offered.state, offered.accepted, offered.asks) == ("accepted", ("bolt",), ("acme",))
    assert (offered.revision, offered.tonnes, offered.change) == (3, 500, "countered")
    agreed = decided(offered, "acme", "accept", on(*pair), now=NOON)
    assert (agreed.state, agreed.tonnes, agreed.last) == ("agreed", 500, date(2027, 6, 20))


def test_who_offers_goes_beyond_its_own_window_and_never_beyond_the_others(pair):
    """The giver has sand till 30 June and offers July: its own affair. March is not the need's."""
    match = a_proposal(*pair, 800)
    july = Offer(last=date(2027, 7, 31))
    assert decided(match, "acme", "counter", on(*pair), offer=july, now=NOON).last == july.last
    with pytest.raises(NotPossible) as refused:
        decided(match, "acme", "counter", on(*pair), offer=Offer(first=date(2027, 3, 1)), now=NOON)
    assert (refused.value.code, refused.value.more["first"]) == ("window_beyond", "2027-04-01")
    with pytest.raises(NotPossible) as refused:
        decided(match, "bolt", "counter", on(*pair), offer=july, now=NOON)
    assert "Name days within these" in sentence(refused.value, "en")
    assert "päivät 2027-03-01–2027-06-30" in sentence(refused.value, "fi")


@pytest.mark.parametrize(
    ("offer", "code"),
    [
        (Offer(0), "tonnes_missing"),
        (Offer(801), "too_many_tonnes"),
        (Offer(800), "same_terms"),
        (Offer(first=date(2027, 6, 2), last=date(2027, 6, 1)), "window_reversed"),
        (Offer(last=date(2027, 4, 2)), "window_over"),
    ],
)
def test_an_offer_that_cannot_be_says_why(pair, offer, code):
    """Each with a stable code; too many tonnes with those that are left."""
    match = a_proposal(*pair, 800)
    with pytest.raises(NotPossible) as refused:
        decided(match, "acme", "counter", on(*pair), offer=offer, now=NOON, today=date(2027, 5, 1))
    assert refused.value.code == code
    if code == "too_many_tonnes":
        assert refused.value.more == {"tonnes_left": 800}


def test_an_offer_stays_within_the_pace_of_the_other_side(pair):
    """70 t a week for seven days are 70 t."""
    surplus, need = pair[0], pair[1]._replace(weekly_t=70.0)
    match = a_proposal(surplus, need, 100)
    week = Offer(71, date(2027, 5, 1), date(2027, 5, 7))
    with pytest.raises(NotPossible) as refused:
        decided(match, "acme", "counter", on(surplus, need), offer=week, now=NOON)
    assert (refused.value.code, refused.value.more) == ("window_too_short", {"tonnes_left": 70})
    assert decided(match, "acme", "counter", on(surplus, need), offer=week._replace(tonnes=70),
                   now=NOON).tonnes == 70  # fmt: skip


def test_nothing_is_accepted_that_the_lots_do_not_have(pair):
    """Another 700 t of the surplus are agreed: 300 t are left, and the answer says so."""
    surplus, need = pair
    other = a_proposal(surplus, need._replace(id=some_id(5)), 700, state="agreed")
    ground = on(*pair, stands=[other.stands])
    match = a_proposal(surplus, need, 800)
    assert tonnes_left(match, ground) == 300
    with pytest.raises(NotPossible) as refused:
        decided(match, "acme", "accept", ground, now=NOON)
    assert "Tarjoa enintään 300 t" in sentence(refused.value, "fi")
    assert "Erbjud högst 300 t" in sentence(refused.value, "sv")
    assert refused.value.more == {"tonnes_left": 300}
    assert decided(match, "acme", "counter", ground, offer=Offer(300), now=NOON).tonnes == 300


def test_an_offer_taken_back_falls_and_the_plan_goes_on(pair):
    """Undone, the proposal has the days that both lots share again, and asks both."""
    match = a_proposal(*pair, 800)
    offer = Offer(100, date(2027, 5, 1), date(2027, 5, 2))
    offered = decided(match, "acme", "counter", on(*pair), offer=offer, now=NOON)
    undone = decided(offered, "acme", "undo", on(*pair), now=NOON)
    assert (undone.state, undone.first, undone.last) == ("proposed", match.first, match.last)
    assert undone.asks == ("acme", "bolt")
    apart = pair[0], pair[1]._replace(first=date(2028, 1, 1), last=date(2028, 2, 1))
    undone = decided(offered, "acme", "undo", on(*apart), now=NOON)
    assert (undone.first, undone.last) == (offered.first, offered.last)  # till it is withdrawn


def agreed(pair: tuple[Lot, Lot], tonnes: int) -> Match:
    match = a_proposal(*pair, tonnes)
    return match._replace(state="agreed", accepted_by="acme,bolt", revision=3)


def test_the_first_load_moves_it_the_last_one_ends_it_and_more_is_told(pair):
    """Delivered + left = agreed at each step; what goes beyond is told, never dropped."""
    match = agreed(pair, 500)
    steps = [
        (200, "moving", "delivered", 300.0),
        (500, "done", "done", 0.0),
        (520, "done", "over_delivered", -20.0),
        (480, "moving", "delivery_corrected", 20.0),
        (0, "agreed", "delivery_corrected", 500.0),
    ]
    for tonnes, state, change, left in steps:
        match = carried(match, tonnes * 1000, NOON)
        assert (match.state, match.change, left_t(match)) == (state, change, left)
        assert match.delivered_kg / 1000 + left == match.tonnes
        assert match.standing == (0 if state == "done" else 1)
    assert carried(match, 0, NOON) is match


def test_a_side_closes_it_and_what_is_left_returns_to_the_lots(pair):
    """Of 500 t agreed 200 are moved: closed, it holds nothing; a late load still counts."""
    match = carried(agreed(pair, 500), 200_000, NOON)
    closed = decided(match, "bolt", "close", on(*pair), now=NOON)
    assert (closed.state, closed.closed_by, closed.stands.held_kg) == ("done", "bolt", 0)
    late = carried(closed, 260_000, NOON)
    assert (late.state, left_t(late)) == ("done", 240.0)
    assert decided(closed, "bolt", "close", on(*pair), now=NOON) is closed
    with pytest.raises(NotPossible, match="done_already"):
        decided(closed, "acme", "close", on(*pair), now=NOON)
    with pytest.raises(NotPossible, match="not_agreed: state=proposed"):
        decided(a_proposal(*pair, 10), "acme", "close", on(*pair), now=NOON)


def test_loads_before_the_day_of_the_amount_are_off_it_already(pair):
    """Told for 1 April as what remains: a load of March is in it, one of that day is not."""
    surplus = pair[0]._replace(as_of=date(2027, 4, 1))
    match = agreed(pair, 500)
    loads = [placed(a_load(match, 100, moved_on=date(2027, month, day)), match, None)
             for month, day in ((3, 31), (4, 1), (4, 2))]  # fmt: skip
    assert moved_kg(loads, surplus) == 200_000


def test_loads_that_cannot_count_say_why(pair):
    """Of no match, of no side of it, of a waybill that the other side has told."""
    match = agreed(pair, 500)
    assert placed(a_load(match, 1), None, None).refused == "match_unknown"
    assert placed(a_load(match, 1, organisation="cog"), match, None).refused == "not_a_side"
    first = placed(a_load(match, 1, waybill="W-1"), match, None)
    again = a_load(match, 1, waybill="W-1", organisation="bolt", reporter="bolt")
    assert placed(again, match, None, [first]).refused == "waybill_told_already"
    assert placed(again, match, None, [first._replace(kg=0)]).refused is None
    own = a_load(match, 1, waybill="W-1")
    assert placed(own, match, None, [first]).refused is None
    virgin = a_load(match, 1, match_id=None, forecast_id=some_id(3), origin="virgin")
    assert placed(virgin, None, "surplus").refused == "virgin_for_a_surplus"
    assert placed(virgin, None, "need").lots == (some_id(3),)


def test_a_match_whose_days_are_over_ends_or_alarms_once(pair):
    """Undecided or accepted by one it expires; agreed it never does: both sides are told."""
    after = date(2027, 7, 1)
    proposed = a_proposal(*pair, 500)
    assert expired(proposed, date(2027, 6, 30), NOON) is proposed
    for match in (proposed, decided(proposed, "acme", "accept", on(*pair), now=NOON)):
        gone = expired(match, after, NOON)
        assert (gone.state, gone.standing) == ("expired", 0)
    told = expired(agreed(pair, 500), after, NOON)
    assert (told.state, told.change, told.standing) == ("agreed", "window_over", 1)
    assert expired(told, after + timedelta(days=9), NOON) is told


@pytest.mark.parametrize(
    ("reason", "change", "apart"),
    [
        ("quality", {"tonnes": 900}, True),
        ("quality", {"window": (date(2027, 3, 1), date(2027, 12, 31))}, True),
        ("quality", {"quality": "S1"}, False),
        ("papers", {"quality": "S1"}, True),
        ("papers", {"contamination_basis": "lab_report"}, False),
        ("price", {"window": (date(2027, 3, 1), date(2027, 12, 31))}, True),
        ("price", {"transport_payer": "giver"}, False),
        ("timing", {"quality": "S1"}, True),
        ("timing", {"window": (date(2027, 3, 1), date(2027, 12, 31))}, False),
        ("other", {"window": (date(2027, 3, 1), date(2027, 12, 31))}, False),
    ],
)
def test_a_declined_pair_stays_apart_until_what_it_was_declined_for_changes(reason, change, apart):
    """A reason about quality is not undone by other days, nor one about days by a better class."""
    told = {"forecast_id": some_id(1), "project_id": some_id(2)}
    surplus, need = lot(a_surplus(**told)), lot(a_need(north_km=5))
    match = a_proposal(surplus, need, 500)
    declined = decided(match, "bolt", "decline", on(surplus, need), reason=reason, now=NOON)
    now = lot(a_surplus(**told, **change))
    plan = replan([now, need], [declined.stands], EXACT, today=TODAY)
    assert (plan.changes == []) is apart


def test_too_far_is_too_far_for_every_pair_of_that_lot_and_material():
    """Declined at 8 km: the need takes no sand from 9 km, but from 4 km, and gravel from 9 km."""
    need = lot(a_need(forecast_id=some_id(1), material="sand"))
    near, far = lot(a_surplus(north_km=3)), lot(a_surplus(north_km=20))
    match = a_proposal(lot(a_surplus(north_km=7)), need, 500, km=8.0)
    surplus = lot(a_surplus(north_km=7))._replace(id=match.surplus_id)
    declined = decided(match, "bolt", "decline", on(surplus, need), reason="distance",
                       now=NOON).stands  # fmt: skip
    assert reaches([declined], {need.id: need}) == {(need.id, "sand"): 8.0}

    def partners(*lots):
        plan = replan(lots, [declined], EXACT, today=TODAY)
        return {change.surplus.id for change in plan.changes}

    assert partners(need, near, far) == {near.id}
    assert partners(need, far) == set()
    moved = need._replace(terms=need.terms + 1)
    assert partners(moved, far) == {far.id}


class Life(RuleBasedStateMachine):
    """
    Decisions, loads, corrections and news of forecasts in any order, as the handlers apply them.

    Two surpluses and two needs; the plan proposes, two organisations decide.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lots: dict = {}
        for number, make in enumerate((a_surplus, a_surplus, a_need, a_need)):
            made = lot(make(forecast_id=some_id(number), project_id=some_id(50 + number),
                            tonnes=300 + 200 * number))  # fmt: skip
            self.lots[made.id] = made
        self.matches: dict = {}
        self.loads: dict = {}
        self.told: dict = {}
        self.cut: set = set()

    def _reckon(self) -> None:
        loads = list(self.loads.values())
        self.lots = {
            id: one._replace(moved_kg=moved_kg(loads, one)) for id, one in self.lots.items()
        }
        totals = totals_of(loads)
        self.matches = {
            id: carried(one, totals.get(id, 0), NOON) for id, one in self.matches.items()
        }

    @rule()
    def settle(self) -> None:
        stands = [one.stands for one in self.matches.values() if one.standing]
        plan = replan(list(self.lots.values()), stands, EXACT, today=TODAY)
        for change in plan.changes:
            if change.match is None:
                made = a_proposal(change.surplus, change.need, change.tonnes,
                                  id=some_id(2000 + len(self.matches)))  # fmt: skip
                self.matches[made.id] = made
                continue
            was = self.matches[change.match.id]
            ended = {"state": "withdrawn", "standing": 0} if not change.tonnes else {}
            self.matches[was.id] = was._replace(
                revision=was.revision + 1, tonnes=change.tonnes or was.tonnes, **ended
            )
        taken = dict.fromkeys(self.lots, 0)
        for one in self.matches.values():
            for id in one.pair:
                taken[id] += one.stands.held_kg
        for id, kg in taken.items():
            assert kg <= self.lots[id].left_kg or id in self.cut

    @precondition(lambda self: self.matches)
    @rule(
        data=st.data(),
        side=st.sampled_from(["acme", "bolt"]),
        decision=st.sampled_from(["accept", "accept", "counter", "decline", "undo", "close"]),
        tonnes=st.integers(1, 1000),
    )
    def decide(self, data: st.DataObject, side: str, decision: str, tonnes: int) -> None:
        match = self.matches[data.draw(st.sampled_from(sorted(self.matches)))]
        ground = Ground(self.lots, [one.stands for one in self.matches.values()])
        before = self._decided()
        try:
            after = decided(match, side, decision, ground, reason="other", now=NOON,
                            offer=Offer(tonnes))  # fmt: skip
        except NotPossible:
            return
        self.matches[match.id] = after
        if decision in ("accept", "counter") and after is not match:
            for id in match.pair:
                most = max(before[id], self.lots[id].likely * 1000)
                assert self._decided()[id] <= most, "a decision took more than there is"

    @precondition(lambda self: self.matches)
    @rule(data=st.data(), tonnes=st.floats(0, 700), which=st.integers(0, 5))
    def deliver(self, data: st.DataObject, tonnes: float, which: int) -> None:
        """New loads, the same again, or a correction, perhaps to another match."""
        match = self.matches[data.draw(st.sampled_from(sorted(self.matches)))]
        id = some_id(1000 + which)
        load = a_load(match, tonnes, id=id)
        self.loads[id] = placed(load, match, None, (), self.loads.get(id))
        self._reckon()
        self.cut |= set(self.lots)  # loads may take any lot below what is decided

    @rule(which=st.integers(0, 3), tonnes=st.integers(0, 1500))
    def forecast(self, which: int, tonnes: int) -> None:
        id = some_id(which)
        self.lots[id] = self.lots[id]._replace(likely=tonnes, high=tonnes, low=tonnes)
        self.cut.add(id)

    def _decided(self) -> dict:
        """Of each lot the kilograms that are moved, or held by what somebody decided."""
        taken = {id: one.moved_kg for id, one in self.lots.items()}
        for one in self.matches.values():
            if one.state != "proposed":
                for id in one.pair:
                    taken[id] += one.stands.held_kg
        return taken

    @invariant()
    def the_balance_closes(self) -> None:
        totals = totals_of(self.loads.values())
        for one in self.matches.values():
            left = left_t(one)
            if left is None:
                assert one.delivered_kg == 0
                continue
            assert one.delivered_kg == totals.get(one.id, 0)
            assert one.delivered_kg / 1000 + left == pytest.approx(one.tonnes)
            if one.state == "done":
                assert one.closed_by or one.delivered_kg >= one.tonnes * 1000
            else:
                assert (one.state == "moving") == (one.delivered_kg > 0)

    @invariant()
    def decisions_alone_never_over_commit(self) -> None:
        for id, kg in self._decided().items():
            assert kg <= self.lots[id].likely * 1000 or id in self.cut


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


# --- over an area -----------------------------------------------------------------------------


def over_an_area(pair: tuple[Lot, Lot], tonnes: int, **told: object) -> Match:
    """A way over an area that takes its room, and loses a tenth in a working."""
    days = {"stays_from": date(2027, 6, 1), "stays_to": date(2027, 6, 30)}
    return a_proposal(*pair, tonnes, **{"route": "area", "via": some_id(7), "permille": 900,
                                        **days, **told})  # fmt: skip


def test_over_an_area_less_may_be_offered_and_no_other_days(pair):
    """The days follow from when there is room, and there is room for less only."""
    match = over_an_area(pair, 500)
    assert decided(match, "bolt", "counter", on(*pair), offer=Offer(300), now=NOON).tonnes == 300
    for offer in (Offer(501), Offer(last=date(2027, 6, 20))):
        with pytest.raises(NotPossible) as refused:
            decided(match, "bolt", "counter", on(*pair), offer=offer, now=NOON)
        assert refused.value.code == "counter_over_area"


def test_a_working_that_loses_some_takes_less_of_the_need(pair):
    """Of 880 t 792 t arrive, of 200 t moved 180 t: the need of 800 t has room for 8 t more."""
    surplus, need = pair
    match = over_an_area(pair, 880, state="agreed", delivered_kg=200_000)
    assert match.stands.held == ((surplus.id, 680_000), (need.id, 612_000))
    load = placed(a_load(match, 200), match, None)
    assert moved_kg([load], surplus) == 200_000
    assert moved_kg([load], need) == 180_000
    there = need._replace(moved_kg=180_000)
    other = over_an_area(pair, 100, id=some_id(8), permille=1000)
    assert tonnes_left(other, on(surplus, there, stands=[match.stands])) == 8


def test_an_agreement_over_an_area_is_over_when_the_need_is(pair):
    """What has left the surplus lies in the area until the need takes it."""
    match = over_an_area(pair, 500, state="agreed", last=date(2027, 5, 1))
    day = date(2027, 7, 1)
    assert expired(match, day, NOON, arrives_by=date(2027, 8, 31)) is match
    assert expired(match, day, NOON, arrives_by=date(2027, 6, 30)).change == "window_over"
    proposed = match._replace(state="proposed")
    assert expired(proposed, day, NOON, arrives_by=date(2027, 8, 31)).state == "expired"
