"""`massakoppi up`: the platform of one folder, its sample region, and the demo's sign-in."""

import asyncio
import contextlib
import fcntl
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TextIO

import uvicorn

from deploy.allinone import Platform
from deploy.asking import Answered, Asking
from deploy.demo_oidc import DemoOidc, DemoPerson
from deploy.handing_in import Handed, send
from deploy.organisations import add_organisation, open_doors
from deploy.sample import Sample, drift, sample, sample_events
from deploy.servers import NotStarted
from deploy.system import System
from shared import telemetry
from shared.client import Prepared

Say = Callable[[str], None]


class Up:
    """Everything in *data*; with *sample*, the sample region and a change of it now and then."""

    def __init__(self, data: Path, *, sample: bool, changes_every_s: float) -> None:
        self.data = data
        self.sample = sample
        self.changes_every_s = changes_every_s

    async def run(self, told: asyncio.Event, *, say: Say) -> None:
        """Start, say where the page is, and run until *told*; then stop all, cleanly."""
        telemetry.set_up(service="up", level="WARNING", as_json=False)
        self.data.mkdir(parents=True, exist_ok=True)
        lock = self._lock()
        platform = Platform(self.data, sample=self.sample, say=say)
        try:
            await self._run(platform, told, say)
        finally:
            say("stopping")
            platform.stop()
            lock.close()
            say("stopped; the data stay in " + str(self.data))

    def _lock(self) -> TextIO:
        lock = (self.data / "up.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise NotStarted(f"another `massakoppi up` runs in {self.data}") from error
        return lock

    async def _run(self, platform: Platform, told: asyncio.Event, say: Say) -> None:
        stopping = asyncio.create_task(told.wait())
        starting = asyncio.create_task(self._start(platform, say))
        await asyncio.wait([stopping, starting], return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            return
        tasks = starting.result()
        watching = asyncio.create_task(platform.watch())
        await asyncio.wait([stopping, watching], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if watching.done():
            watching.result()

    async def _start(self, platform: Platform, say: Say) -> list[asyncio.Task[None]]:
        begun = time.monotonic()
        await platform.start_servers()
        found = self._sample() if self.sample else None
        oidc = _oidc(platform, found)
        tasks = [asyncio.create_task(_serve(oidc))]
        await platform.start_services()
        system = platform.system
        if found is not None:
            await self._bring_in(system, found, say)
            if self.changes_every_s > 0:
                tasks.append(asyncio.create_task(self._keep_changing(system, found)))
        else:
            async with Asking(system) as ask:
                await open_doors(system, ask)
        say(f"ready in {time.monotonic() - begun:.0f} s")
        say(f"\n    {system.urls['portal']}\n")
        who = "as one of the sample's people" if found else "once a region has people"
        say(f"the coordinators' page; sign in {who}. Ctrl-C stops all.")
        return tasks

    # -- the sample -----------------------------------------------------------------------

    def _sample(self) -> Sample:
        """The sample as of the day on which this folder was made."""
        path = self.data / "sample-day"
        if not path.exists():
            path.write_text(date.today().isoformat())  # noqa: DTZ011  (the operator's day)
        return sample(date.fromisoformat(path.read_text().strip()))

    async def _bring_in(self, system: System, found: Sample, say: Say) -> None:
        async with Asking(system) as ask:
            known = {one["token"] for one in await ask.every("registry", "/organisations")}
            missing = [one for one in found.organisations if one.token not in known]
            for one in missing:
                told = await add_organisation(
                    system, ask, token=one.token, title=one.title, region=one.region,
                    actor_type=one.actor_type, open_door=False,
                )  # fmt: skip
                told.save(system)
                for member in one.members:
                    body = {
                        "name": member.name,
                        "email": member.email,
                        "roles": list(member.roles),
                        "regions": list(member.regions),
                        "language": member.language,
                        "subject": member.email,
                    }
                    with contextlib.suppress(Answered):  # known from a start that was broken off
                        await ask("registry", "POST", f"/organisations/{one.token}/members", body)
            await open_doors(system, ask)
        if missing or not (self.data / "sample-is-in").exists():
            say("bringing the sample region in")
            done = Handed(Prepared(events=sample_events(found, self.data / "sample.csv")))
            await send(system, done)
            if done.outcome.rejected or done.outcome.no_receipt:
                raise NotStarted(f"the sample was not taken: {dict(done.outcome.reasons)}")
            (self.data / "sample-is-in").touch()
            say(f"sample region: {done.outcome.accepted} events accepted")

    async def _keep_changing(self, system: System, found: Sample) -> None:
        """Now and then one forecast changes, so that the page lives."""
        events = sample_events(found, self.data / "sample.csv")
        while True:
            await asyncio.sleep(self.changes_every_s)
            changed = Handed(Prepared(events=[drift(events, int(time.time()))]))
            try:
                await send(system, changed)
            except Exception as error:
                telemetry.log().warning("sample_waits", error=repr(error))


def _oidc(platform: Platform, found: Sample | None) -> uvicorn.Server:
    """The demo's sign-in, which this mode alone starts, on loopback alone."""
    people = [
        DemoPerson(member.email, member.name, f"{one.title}: {', '.join(member.roles)}")
        for one in (found.organisations if found else ())
        for member in one.members
    ]
    system = platform.system
    provider = DemoOidc(
        issuer=system.urls["oidc"],
        people=people,
        client_id="massakoppi-portal",
        client_secret=system.ring.client_secret.read_text().strip(),
        redirect_uris=(f"{system.urls['portal']}/callback",),
        key_file=system.keys / "access" / "demo-oidc.pem",
    )
    return provider.server("127.0.0.1", platform.ports["oidc"])


async def _serve(server: uvicorn.Server) -> None:
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    try:
        await server.serve()
    except asyncio.CancelledError:
        server.should_exit = True
        await server.shutdown()
