"""
The oracle: was everything that was accepted applied once, or set aside with its reason?

Code of its own throughout: it reads the services' tables and journals as plain rows and works out
by brute force what should stand in them. Of the services it knows only the cards (who announces and
who awaits what), of shared code only the contracts' names and the vocabulary's tables.
"""

import asyncio
from collections.abc import Callable

from deploy.audit.balance import balance
from deploy.audit.delivery import delivery
from deploy.audit.door import door
from deploy.audit.effects import effects
from deploy.audit.matches import matches
from deploy.audit.nears import nears
from deploy.audit.notices import notices
from deploy.audit.quiet import still_moving
from deploy.audit.records import Records, opened, read
from deploy.audit.report import Line, Report, line
from deploy.audit.things import things
from deploy.system import System

PROMISES: tuple[Callable[[Records], list[Line]], ...] = (
    door, delivery, effects, things, matches, nears, balance, notices,
)  # fmt: skip
LOOK_EVERY_S = 0.3

__all__ = ["Line", "Report", "audit"]


async def audit(system: System, *, wait_s: float = 60.0) -> Report:
    """
    Check every promise of delivery on *system*, once it is quiet; the report names each finding.

    Waits up to *wait_s* seconds for quiet; where it does not come, that is the first finding and
    the rest is told as it stands. Reads only.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_s
    async with opened(system) as sources:
        while True:
            moving = await _until_quiet(sources, until)
            records = await read(sources)
            after = await still_moving(sources)
            if moving or loop.time() > until or (not after.names and after.told == records.told):
                break
    lines = [line("the system is quiet", {"seconds_waited": round(wait_s - until + loop.time(), 1)},
                  moving)]  # fmt: skip
    for promise in PROMISES:
        lines += promise(records)
    return Report(lines)


async def _until_quiet(sources: object, until: float) -> list[str]:
    """Empty when two looks in a row saw nothing move, else what moved at the last."""
    loop = asyncio.get_running_loop()
    before = None
    while True:
        seen = await still_moving(sources)  # type: ignore[arg-type]
        if not seen.names and before == seen.told:
            return []
        if loop.time() > until:
            return seen.names or ["events are still being told"]
        before = None if seen.names else seen.told
        await asyncio.sleep(LOOK_EVERY_S)
