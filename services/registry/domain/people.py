"""Who may do what with an organisation, and what a person is allowed through membership."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from shared.vocabulary.errors import Coded

ROLES = ("coordinator", "reporter", "reader", "regional_coordinator")
MANAGES = "coordinator"
REPORTS = ("coordinator", "reporter")
REGIONAL = "regional_coordinator"


class Denied(Coded):
    """What was asked cannot be done."""


class Clashes(Denied):
    """It contradicts what is known already."""


class Unknown(Denied):
    """It speaks of something that is not known."""


class RoleRefused(Denied):
    """The roles cannot be given so."""


@dataclass(frozen=True, slots=True)
class Membership:
    """A person's roles in one organisation, and the regions it coordinates through them."""

    organisation: str
    roles: tuple[str, ...]
    regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Person:
    """A person; name and address stay in this service. *session* grows when rights shrink."""

    id: UUID
    name: str
    email: str
    language: str
    session: int
    memberships: tuple[Membership, ...]

    @property
    def organisations(self) -> Mapping[str, tuple[str, ...]]:
        return {each.organisation: each.roles for each in self.memberships}

    @property
    def regions(self) -> tuple[str, ...]:
        """Every region that some membership lets this person coordinate."""
        regional = [each for each in self.memberships if REGIONAL in each.roles]
        found = {code for each in regional for code in each.regions}
        return tuple(sorted(found))


def check_roles(
    roles: Iterable[str], regions: Iterable[str], may_give: Iterable[str] | None
) -> None:
    """
    Raise `RoleRefused` unless *roles* are known and *regions* go with them.

    *may_give* are the regions the giver coordinates; None for the operator, who may give all. So
    nobody hands out more than they hold.
    """
    told, coordinated = tuple(roles), tuple(regions)
    unknown = [role for role in told if role not in ROLES]
    if not told:
        raise RoleRefused("role_refused/none", offered=ROLES)
    if unknown:
        raise RoleRefused("role_refused", roles=unknown, offered=ROLES)
    if coordinated and REGIONAL not in told:
        raise RoleRefused("role_refused/regions_alone", regions=coordinated)
    if REGIONAL not in told:
        return
    if not coordinated:
        raise RoleRefused("role_refused/no_regions")
    beyond = [] if may_give is None else sorted(set(coordinated) - set(may_give))
    if beyond:
        raise RoleRefused("role_refused/beyond", regions=beyond)


def business_id_scheme(region: str, told: str | None) -> str:
    """The scheme of a business id: as *told*, else Finnish where the region code is two digits."""
    if told is not None:
        return told
    return "fi" if len(region) == 2 and region.isdigit() else "other"
