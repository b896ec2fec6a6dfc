"""Likelihood: how surely a forecast comes about; an unverified default, and told as one."""

import pytest

from shared.vocabulary.enumerations import codes
from shared.vocabulary.likelihood import LIKELIHOOD_TAG, both, likelihood
from shared.vocabulary.tables import table


@pytest.mark.parametrize("kind", ["reliability", "phase"])
def test_every_code_has_its_share_and_no_other(kind):
    """The table knows the codes of the enumeration, each a share above 0."""
    assert set(table("likelihood")[kind]) == set(codes(kind))
    assert all(0 < share <= 1 for share in table("likelihood")[kind].values())


def test_it_is_shown_as_unverified():
    assert LIKELIHOOD_TAG == "unverified"


def test_better_known_is_likelier_and_nearer_is_likelier():
    assert likelihood("A", "construction") > likelihood("B", "construction")
    assert likelihood("B", "construction") > likelihood("C", "construction")
    assert likelihood("A", "construction") > likelihood("A", "general_plan")


def test_what_its_owner_tells_of_it_stands_in_for_the_phase():
    """Half as likely a project has half as likely forecasts, of whatever phase; 0 is 0."""
    assert likelihood("A", "general_plan", 0.5) == likelihood("A", "construction", 1.0) / 2
    assert likelihood("A", "construction", 0.0) == 0


def test_a_code_not_known_counts_as_unknown():
    assert likelihood("Z", "someday") == likelihood("unknown", "not_applicable")


def test_two_projects_are_independent_and_one_stands_or_falls_together():
    """0.9 and 0.5 both happen with 0.45; within one project with 0.5."""
    assert both(0.9, 0.5, same_project=False) == 0.45
    assert both(0.9, 0.5, same_project=True) == 0.5
