"""Who asks while all sorts of things are thrown at the doors, and what there is to ask about."""

from dataclasses import dataclass
from uuid import uuid4

import requests

from deploy.allinone import Platform
from deploy.asking import Asking
from deploy.audit import audit
from deploy.letters import list_letters
from shared.access import Asker, read_key, sign
from tests.platform import Company, a_forecast, a_need, a_project, company, first_match
from tests.signing_in import sign_in

OWN, OTHER = "sumu-a", "sumu-b"
LIFE_S = 4 * 3600
PEOPLE = ("reporter", "reader", "regional_coordinator")
"""The members of `OWN`, by their one role; `sumu-` before it is how they sign in."""


@dataclass
class Town:
    """A platform, its companies, a token of each role and the ids of what is there."""

    platform: Platform
    own: Company
    other: Company
    tokens: dict[str, str]
    known: tuple[str, ...]
    match: str
    forecast: str
    pids: dict[str, int | None]

    def browser(self, who: str) -> requests.Session:
        """The browser of one of `PEOPLE`, signed in; of anybody else, who is not."""
        session = requests.Session()
        if who in PEOPLE:
            sign_in(session, self.platform, f"sumu-{who}")
        return session

    def url(self, service: str) -> str:
        return self.platform.system.urls[service]

    async def is_whole(self) -> None:
        """No service died, no event was set aside, and every promise of delivery holds."""
        assert _pids(self.platform) == self.pids
        report = await audit(self.platform.system, wait_s=300)
        assert report.clean, [(one.promise, one.found) for one in report.broken]
        assert await list_letters(self.platform.system, None) == []


def _pids(platform: Platform) -> dict[str, int | None]:
    return {
        name: one.process.pid if one.process and one.alive else None
        for name, one in platform.processes.items()
    }


async def town(platform: Platform) -> Town:
    """Companies, people and a match between two of them, on *platform*."""
    own, other = await company(platform, OWN), await company(platform, OTHER)
    await own.hand_in(a_project("S-1"), a_forecast("S-1/a", "S-1", quantity=777.0))
    await other.hand_in(a_project("S-2"), a_need("S-2/a", "S-2", quantity=777.0))
    match = await first_match(own)
    people = {}
    async with Asking(platform.system) as ask:
        for role in PEOPLE:
            told = {"name": role, "email": f"{role}@example.invalid", "roles": [role],
                    "subject": f"sumu-{role}",
                    "regions": ["01"] if role == "regional_coordinator" else []}  # fmt: skip
            added = await ask("registry", "POST", f"/organisations/{OWN}/members", told)
            people[role] = added["person"]
    _, projects = await own.ask("registry", "GET", "/projects", organisation=OWN)
    _, forecasts = await own.ask("registry", "GET", "/forecasts", organisation=OWN)
    known = (
        OWN, OTHER, "01", "049", "S-1", "S-1/a", match["match_id"],
        projects["items"][0]["project_id"], forecasts["items"][0]["forecast_id"],
        people["reader"], str(uuid4()),
    )  # fmt: skip
    return Town(
        platform, own, other, _tokens(platform, people), known, match["match_id"],
        forecasts["items"][0]["forecast_id"], _pids(platform),
    )  # fmt: skip


def _tokens(platform: Platform, people: dict[str, str]) -> dict[str, str]:
    key = read_key(platform.ring.signing)
    askers = {
        "organisation": Asker(OWN, "organisation", {OWN: ("reporter",)}),
        "reporter": Asker(people["reporter"], "person", {OWN: ("reporter",)}),
        "reader": Asker(people["reader"], "person", {OWN: ("reader",)}),
        "coordinator": Asker(people["regional_coordinator"], "person",
                             {OWN: ("coordinator", "regional_coordinator")}, ("01",)),
        "service": Asker("indicators", "service"),
        "operator": Asker("operator", "operator"),
    }  # fmt: skip
    return {who: sign(asker, key, life_s=LIFE_S) for who, asker in askers.items()}
