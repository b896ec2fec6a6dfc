"""Who may do what with an organisation, and what a person is allowed through membership."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

ROLES = ("coordinator", "reporter", "reader", "regional_coordinator")
MANAGES = "coordinator"
REPORTS = ("coordinator", "reporter")
REGIONAL = "regional_coordinator"


class Denied(Exception):
    """What was asked cannot be done; *code* is stable, the message names the remedy."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Clashes(Denied):
    """It contradicts what is known already."""


class Unknown(Denied):
    """It speaks of something that is not known."""


class RoleRefused(Denied):
    """The roles cannot be given so."""

    def __init__(self, message: str) -> None:
        super().__init__("role_refused", message)


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
    if unknown or not told:
        raise RoleRefused(f"roles {unknown or told}: give some of {', '.join(ROLES)}")
    if coordinated and REGIONAL not in told:
        raise RoleRefused(f"regions {list(coordinated)}: only with the role {REGIONAL}")
    if REGIONAL not in told:
        return
    if not coordinated:
        raise RoleRefused(f"regions: name those that the {REGIONAL} coordinates")
    beyond = [] if may_give is None else sorted(set(coordinated) - set(may_give))
    if beyond:
        raise RoleRefused(f"regions {beyond}: you do not coordinate them; ask the operator")


def business_id_scheme(region: str, told: str | None) -> str:
    """The scheme of a business id: as *told*, else Finnish where the region code is two digits."""
    if told is not None:
        return told
    return "fi" if len(region) == 2 and region.isdigit() else "other"
