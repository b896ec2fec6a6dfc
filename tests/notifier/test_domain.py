"""Who is told, in which words, when again, and where a webhook may not go."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier import domain
from services.notifier.domain.letters import TEXTS, number, one_line
from services.notifier.domain.readers import Membership
from shared.contracts import MatchChanged
from shared.contracts.parts import Place
from tests.notifier.builders import (
    AINO,
    BO,
    GIVER,
    REGINA,
    TAKER,
    a_match,
    a_side,
    heard,
    later,
)

THEN = datetime(2026, 1, 1, tzinfo=UTC)


def member(person: UUID, organisation: str, *roles: str, regions: tuple[str, ...] = ()):
    return Membership(person, organisation, frozenset(roles), frozenset(regions), THEN)


MEMBERS = [
    member(AINO, GIVER, "coordinator"),
    member(BO, TAKER, "coordinator"),
    member(UUID(int=9), TAKER, "reporter"),
    member(REGINA, "seutu", "regional_coordinator", regions=("99",)),
    member(UUID(int=10), "naapuri", "regional_coordinator", regions=("06",)),
]


def told_of(event) -> dict[UUID, tuple[str, bool]]:
    readers = domain.readers_of(heard(event), MEMBERS, {})
    return {reader.person: (reader.why, reader.by_mail) for reader in readers}


def test_a_found_match_is_told_to_both_sides_and_on_the_desk_to_the_region():
    """Coordinators of both organisations by mail too, the region's own coordinator on the desk."""
    assert told_of(a_match()) == {
        AINO: ("coordinator", True),
        BO: ("coordinator", True),
        REGINA: ("region", False),
    }


def test_named_contacts_come_before_the_coordinators():
    """A side that names its persons in charge tells them and nobody else of it."""
    chief = uuid4()

    told = told_of(a_match(surplus=a_side(GIVER, contacts=(chief,))))

    assert told[chief] == ("contact", True) and AINO not in told and BO in told


def test_a_change_that_only_moves_figures_is_told_to_nobody():
    """A match-changed that asks nothing and decides nothing is shown, not told."""
    assert told_of(later(a_match(), change="tonnes", asks=())) == {}


def test_a_change_that_asks_one_side_is_told_to_that_side_and_the_region():
    """Whose move it is not, is left in peace."""
    change = later(a_match(), state="accepted", change="tonnes", asks=(TAKER,))

    assert set(told_of(change)) == {BO, REGINA}


@pytest.mark.parametrize(
    "change",
    ["accepted", "agreed", "declined", "alarm", "below_agreed", "forecast_below_agreed",
     "over_delivered", "window_over", "countered", "closed", "done"],
)  # fmt: skip
def test_a_decision_or_an_alarm_is_told_to_both_sides(change: str):
    """What somebody decided, or what endangers an agreement, concerns both."""
    event = later(a_match(), state="agreed", change=change, asks=())

    assert set(told_of(event)) == {AINO, BO, REGINA}


def test_a_withdrawn_match_is_news_only_where_somebody_had_accepted():
    """A proposal nobody touched goes as quietly as it came."""
    gone = later(a_match(), state="withdrawn", change="withdrawn", asks=())

    assert told_of(gone) == {}
    assert set(told_of(gone.model_copy(update={"accepted_by": (GIVER,)}))) == {AINO, BO, REGINA}


def test_a_movement_on_ones_own_site_is_told_to_nobody():
    """The route `onsite` asks nobody."""
    assert told_of(a_match(route="onsite", need=a_side(GIVER))) == {}


def test_a_person_of_both_sides_is_told_once():
    """One who is contact of one side and coordinator of the other reads for both."""
    match = a_match(surplus=a_side(GIVER, contacts=(BO,)))

    told = [one for one in domain.readers_of(heard(match), MEMBERS, {}) if one.person == BO]

    assert [(one.why, one.organisations) for one in told] == [("contact", (GIVER, TAKER))]


def test_the_tab_says_whose_move_it_is():
    """Decide, waiting, moving, told or closed."""
    asks_taker = heard(a_match(asks=(TAKER,)))

    assert domain.tab_of(asks_taker, (TAKER,)) == "decide"
    assert domain.tab_of(asks_taker, (GIVER,)) == "waiting"
    assert domain.tab_of(asks_taker, ()) == "told"
    assert domain.tab_of(heard(a_match(state="agreed")), (TAKER,)) == "moving"
    assert domain.tab_of(heard(a_match(state="agreed", change="alarm")), (TAKER,)) == "told"
    assert domain.tab_of(heard(a_match(state="expired")), (TAKER,)) == "closed"


def test_who_joins_is_owed_and_who_stays_keeps_the_date():
    """Only a standing that grew is owed what was told before."""
    new = THEN + timedelta(days=1)
    told = [
        Membership(AINO, GIVER, frozenset({"coordinator"}), frozenset(), new),
        Membership(BO, GIVER, frozenset({"reporter"}), frozenset(), new),
        Membership(REGINA, GIVER, frozenset({"coordinator"}), frozenset(), new),
    ]

    members, owed = domain.arrived([member(AINO, GIVER, "coordinator")], told)

    assert owed == {REGINA} and members[0].since == THEN and members[2].since == new


def test_the_other_sides_name_is_hidden_until_the_first_acceptance():
    """Neither name, project, place, persons nor who was asked: nothing that tells who it is."""
    where = Place(municipality="078", lat=59.7701, lon=23.0)
    secret = a_side(TAKER, contacts=(BO,), place=where)
    match = a_match(need=secret)
    body = match.model_dump(mode="json", exclude_none=True)

    hidden = str(domain.own_view(body, heard(match), GIVER))
    agreed = later(match, state="agreed", accepted_by=(GIVER, TAKER), asks=())
    shown = domain.own_view(agreed.model_dump(mode="json", exclude_none=True), heard(agreed), GIVER)

    for word in (TAKER, str(secret.project_id), str(BO), "59.7701"):
        assert word not in hidden
    assert shown["need"] == body["need"] and shown["surplus"] == body["surplus"]
    accepted = later(match, state="accepted", accepted_by=(TAKER,), asks=(GIVER,))
    half = domain.own_view(accepted.model_dump(mode="json"), heard(accepted), GIVER)
    assert half["need"]["organisation"] == TAKER and "lat" not in half["need"]["place"]


def test_who_declined_is_not_named_before_an_acceptance():
    """A refusal does not say whose it was."""
    declined = later(a_match(), state="declined", declined_by=TAKER, change="declined", asks=())
    body = declined.model_dump(mode="json", exclude_none=True)

    assert TAKER not in str(domain.own_view(body, heard(declined), GIVER))
    assert domain.own_view(body, heard(declined), TAKER)["declined_by"] == TAKER


# --- words ------------------------------------------------------------------------------------


def letter(event, language: str = "fi", **more) -> domain.Letter:
    told = {
        "why": "coordinator",
        "organisations": (GIVER,),
        "places": {"049": "Espoo", "078": "Hanko"},
        "projects": {event.surplus.project_id: "Kehä\r\nBcc: x@y.fi", event.need.project_id: "Q"},
        "names": {GIVER: "Louhinta Oy", TAKER: "Täyttö <b> Ab"},
        "portal_url": "https://desk.example/",
    }
    return domain.letter_about(heard(event), language=language, **told | more)


def test_every_language_has_every_text():
    """No text is missing or empty in Finnish, Swedish or English."""
    assert {frozenset(texts) for texts in TEXTS.values()} == {frozenset(TEXTS["fi"])}
    assert all(text for texts in TEXTS.values() for text in texts.values())


@pytest.mark.parametrize(
    ("language", "subject"),
    [
        ("fi", "Uusi osuma: louhe 3\u00a0300\u00a0t, Espoo → Hanko"),
        ("sv", "Ny matchning: sprängsten 3\u00a0300\u00a0t, Espoo → Hanko"),
        ("en", "New match: blasted rock (loose/compacted) 3\u00a0300\u00a0t, Espoo → Hanko"),
        ("xx", "Uusi osuma"),
    ],
)
def test_a_letter_speaks_the_readers_language_with_finnish_figures(language: str, subject: str):
    """Spaces between thousands and decimal commas in each language."""
    found = letter(a_match(), language)

    assert found.subject.startswith(subject)
    for figure in ("12,3\u00a0km", "4,20\u00a0€/t", "13\u00a0860\u00a0€", "18.5.2026–24.6.2026"):
        assert figure in found.text and figure in found.html


def test_a_letter_names_the_other_side_only_after_an_acceptance():
    """Before it neither name nor project of the other side is in the letter."""
    match = a_match()
    hidden = letter(match)
    named = letter(later(match, state="agreed", change="agreed", accepted_by=(GIVER,), asks=()))

    assert "Täyttö" not in hidden.text + hidden.html and "Q" not in hidden.text
    assert "nimi näkyy" in hidden.text
    assert named.subject.startswith("Osuma on sovittu") and "Täyttö <b> Ab" in named.text
    assert "Täyttö &lt;b&gt; Ab" in named.html and "<b>" not in named.html


def test_text_that_people_wrote_cannot_add_a_line_or_a_header():
    """Line breaks and control characters become spaces."""
    assert "Kehä Bcc: x@y.fi" in letter(a_match()).text
    assert "\n" not in letter(a_match(), places={"049": "Es\r\npoo", "078": "H"}).subject
    assert one_line("a\r\nb\x00\u2028c") == "a b c"


def test_a_sample_says_that_it_is_one():
    """In the subject and in the letter itself."""
    found = letter(a_match(sample=True), "en")

    assert "Sample region" in found.subject and found.text.startswith("Sample region")


@pytest.mark.parametrize(
    ("change", "state", "asks", "headline"),
    [
        ("accepted", "accepted", (GIVER,), "Osuma odottaa päätöstänne"),
        ("accepted", "accepted", (TAKER,), "Toinen osapuoli on hyväksynyt"),
        ("declined", "declined", (), "Osuma on hylätty"),
        ("undone", "proposed", (GIVER, TAKER), "Hyväksyntä on peruttu"),
        ("withdrawn", "withdrawn", (), "Hyväksytty osuma raukesi"),
        ("below_agreed", "agreed", (), "Sovittu osuma vaatii huomiota"),
        ("tonnes", "proposed", (GIVER,), "Osuma odottaa päätöstänne"),
        ("countered", "accepted", (GIVER,), "Vastatarjous osumaan"),
        ("closed", "done", (), "Osuma on päätetty"),
        ("done", "done", (), "Osuma on toimitettu"),
        ("forecast_below_agreed", "moving", (), "Ennuste alittaa sovitun määrän"),
        ("over_delivered", "done", (), "Toimitettu enemmän kuin sovittiin"),
        ("window_over", "agreed", (), "Sovittu aika on ohi"),
    ],
)
def test_the_headline_says_what_happened(change: str, state: str, asks: tuple, headline: str):
    """Each kind of change has its own words, seen from the reader's side."""
    accepted_by = (TAKER,) if state in ("accepted", "withdrawn") else ()
    event = a_match(MatchChanged, change=change, state=state, asks=asks, accepted_by=accepted_by)

    assert letter(event).subject.startswith(headline)


def test_a_letter_says_what_is_delivered_and_what_is_left():
    """And what went beyond the agreement, as that."""
    moving = a_match(
        MatchChanged, change="delivered", state="moving", delivered_t=120.5, left_t=79.5
    )
    assert "Toimitettu: 120,5\u00a0t, 79,5\u00a0t jäljellä" in letter(moving).text
    over = a_match(MatchChanged, change="over_delivered", state="done", delivered_t=220, left_t=-20)
    assert "Toimitettu: 220\u00a0t, 20\u00a0t yli sovitun" in letter(over).text


def test_loads_are_told_to_nobody_one_by_one():
    """They move the match on the desk; only what ends or endangers it is told."""
    moving = a_match(MatchChanged, change="delivered", state="moving", asks=())
    assert heard(moving).told_sides == ()


@pytest.mark.parametrize(
    ("value", "decimals", "told"),
    [
        (1234567, 0, "1\u00a0234\u00a0567"),
        (-0.5, 1, "−0,5"),
        (-0.001, 1, "0,0"),
        (12.345, 2, "12,35"),
    ],
)
def test_figures_are_written_the_finnish_way(value: float, decimals: int, told: str):
    """No minus before a zero."""
    assert number(value, decimals) in (told, told.replace("12,35", "12,34"))


# --- when again -------------------------------------------------------------------------------

PAUSES = (5.0, 300.0, 1800.0)


@given(st.floats(0, 1), st.integers(1, 6))
def test_pauses_grow_and_end(jitter: float, tries: int):
    """After the last pause there is no further try; jitter lengthens by at most a fifth."""
    outcome = domain.Outcome("later", THEN)

    at = domain.next_try(outcome, tries, PAUSES, jitter)

    if tries > len(PAUSES):
        assert at is None
    else:
        assert at is not None
        assert PAUSES[tries - 1] <= (at - THEN).total_seconds() <= 1.2 * PAUSES[tries - 1] + 1e-6


@pytest.mark.parametrize("result", ["sent", "never", "gone"])
def test_what_is_over_is_not_tried_again(result):
    """Sent, refused for ever, or gone."""
    assert domain.next_try(domain.Outcome(result, THEN), 1, PAUSES, 0) is None


def test_an_endpoint_rests_longer_each_time_and_is_disabled_in_the_end():
    """A success closes the breaker; 410 disables at once."""
    failed = domain.Outcome("later", THEN, 500, "HTTP 500")
    endpoint = domain.Endpoint()
    rests = []
    for _ in PAUSES:
        endpoint = domain.rest(endpoint, failed, PAUSES, 0)
        rests.append((endpoint.resting_until - THEN).total_seconds())

    assert rests == list(PAUSES) and endpoint.disabled is None
    assert "HTTP 500" in (domain.rest(endpoint, failed, PAUSES, 0).disabled or "")
    assert domain.after_success(endpoint) == domain.Endpoint()
    gone = domain.Outcome("gone", THEN, 410)
    assert "410" in (domain.rest(domain.Endpoint(), gone, PAUSES, 0).disabled or "")


# --- where a webhook may not go ---------------------------------------------------------------

REFUSED_ADDRESSES = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255",
    "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.127.255.255", "192.0.0.8",
    "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.1.1.1",
    "240.0.0.1", "255.255.255.255", "192.88.99.1", "::", "::1", "::ffff:127.0.0.1",
    "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::1",
    "2001:0:53aa::1", "2001:db8::1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254",
    "ff02::1", "100::1", "5f00::1",
]  # fmt: skip


@pytest.mark.parametrize("told", REFUSED_ADDRESSES)
def test_no_webhook_enters_an_address_that_is_not_public(told: str):
    """Private, loopback, link-local, shared, multicast, mapped and translated ones."""
    with pytest.raises(domain.BadTarget):
        domain.check_address(ip_address(told), "https", 443, ())


@pytest.mark.parametrize("told", ["8.8.8.8", "193.166.3.2", "2001:4860:4860::8888", "2a00::1"])
def test_a_public_address_is_entered_by_https_on_two_ports(told: str):
    """Not by http, and on no other port."""
    domain.check_address(ip_address(told), "https", 443, ())
    domain.check_address(ip_address(told), "https", 8443, ())
    for scheme, port in (("http", 443), ("https", 22), ("https", None)):
        with pytest.raises(domain.BadTarget):
            domain.check_address(ip_address(told), scheme, port, ())


@pytest.mark.parametrize(
    "host",
    ["2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "127.1", "1.2.3.4.5",
     "localhost", "localhost.", "LOCALHOST", "db.localhost", "printer.local", "intranet",
     "metadata.google.internal", "", "fe80::1%eth0", "127.0.0.1.", "::ffff:7f00:1"],
)  # fmt: skip
def test_no_webhook_is_given_a_local_or_numeric_host(host: str):
    """Decimal, octal, hexadecimal and short forms, and names that never are public."""
    with pytest.raises(domain.BadTarget):
        domain.check_target("https", host, 443, has_user=False, networks=())


def test_a_listed_network_may_be_entered_by_plain_http_and_nothing_else():
    """What an operator lists is open; its neighbour is not."""
    listed = (ip_network("127.0.0.0/30"),)

    domain.check_target("http", "127.0.0.1", 8080, has_user=False, networks=listed)
    for host in ("127.0.0.9", "10.0.0.1", "::ffff:127.0.0.1"):
        with pytest.raises(domain.BadTarget):
            domain.check_target("http", host, 8080, has_user=False, networks=listed)


@pytest.mark.parametrize("scheme", ["http", "ftp", "file", "gopher", ""])
def test_only_https_is_taken(scheme: str):
    """Nor an address with a password in it."""
    with pytest.raises(domain.BadTarget):
        domain.check_target(scheme, "example.fi", 443, has_user=False, networks=())
    with pytest.raises(domain.BadTarget):
        domain.check_target("https", "example.fi", 443, has_user=True, networks=())


@given(st.ip_addresses())
def test_what_may_be_entered_is_global_by_the_standard_library_too(address):
    """The list of refused networks never opens what `ipaddress` calls private."""
    try:
        domain.check_address(address, "https", 443, ())
    except domain.BadTarget:
        return
    assert address.is_global and not address.is_multicast
