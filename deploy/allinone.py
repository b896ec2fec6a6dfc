"""Everything on one machine: real NATS, real PostgreSQL, each service a process of its own."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp

from deploy.cards import cards
from deploy.keyring import SERVICES, Keyring
from deploy.nats_conf import nats_conf, organisations_conf
from deploy.provision import (
    Drift,
    connected,
    provision_databases,
    provision_intake,
    provision_platform,
    wait_for,
)
from deploy.provisioning import note_provisioned
from deploy.servers import Nats, Postgres, end_with_parent, free_port
from deploy.system import System

PORTS = {"portal": 8100, "registry": 8101, "matcher": 8102, "indicators": 8103, "notifier": 8104,
         "oidc": 8105, "nats": 4222, "postgres": 5433}  # fmt: skip
Say = Callable[[str], None]


class ServiceEnded(Exception):
    """A service ended by itself; the whole stops, and its log says why."""


def environment_of(system: System, service: str, **more: str) -> dict[str, str]:
    """The environment in which *service* of *system* runs."""
    ring = system.ring
    told = {
        "NATS_URL": system.nats_url,
        "NATS_SEED_FILE": str(ring.nats_seed(service)),
        "POSTGRES_URL": system.postgres_url,
        "REGISTRY_URL": system.urls["registry"],
        "ACCESS_PUBLIC_KEY_FILE": str(ring.public),
        "SERVICE_KEY_FILE": str(ring.key(service)),
        "HTTP_PORT": system.urls[service].rsplit(":", 1)[1],
        "PYTHONUNBUFFERED": "1",
    }
    if ring.nats_seed(f"{service}-intake").exists():
        told["NATS_INTAKE_SEED_FILE"] = str(ring.nats_seed(f"{service}-intake"))
    if service == "registry":
        told["REGISTRY_SIGNING_KEY_FILE"] = str(ring.signing)
        told["REGISTRY_PLATFORM_KEYS_FILE"] = str(ring.platform_keys)
        if "oidc" in system.urls:
            told["REGISTRY_OIDC_ISSUER"] = system.urls["oidc"]
            told["REGISTRY_OIDC_AUDIENCE"] = "massakoppi-portal"
    if service == "portal":
        told["PORTAL_COOKIE_KEY_FILE"] = str(ring.cookie)
        told["PORTAL_MATCHER_URL"] = system.urls["matcher"]
        told["PORTAL_INDICATORS_URL"] = system.urls["indicators"]
        told["PORTAL_NOTIFIER_URL"] = system.urls["notifier"]
        told["PORTAL_PUBLIC_URL"] = system.urls["portal"]
        told["PORTAL_REGION"] = "99" if system.sample else "01"
        if "oidc" in system.urls:
            told["PORTAL_OIDC_ISSUER"] = system.urls["oidc"]
            told["PORTAL_OIDC_CLIENT_ID"] = "massakoppi-portal"
            told["PORTAL_OIDC_CLIENT_SECRET_FILE"] = str(ring.client_secret)
    if service == "notifier":
        told["NOTIFIER_PORTAL_URL"] = system.urls["portal"]
    return {**told, **more}


class Process:
    """A service as a process: its log in the data folder, its environment from the system."""

    def __init__(self, system: System, service: str, *, name: str = "", **more: str) -> None:
        self.service = service
        self.name = name or service
        self.url = (
            f"http://127.0.0.1:{more.get('HTTP_PORT') or system.urls[service].rsplit(':', 1)[1]}"
        )
        self.log = system.data / "logs" / f"{self.name}.log"
        self.environment = {**os.environ, **environment_of(system, service, **more)}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "deploy.cli", "serve", self.service],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_parent(),  # noqa: PLW1509  (one system call)
                cwd=Path(__file__).parents[1],
            )

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-1500:] if self.log.exists() else ""

    async def ready(self, session: aiohttp.ClientSession, seconds: float = 60) -> None:
        """Return when `/readyz` says so; raises `ServiceEnded` or `TimeoutError`."""
        until = time.monotonic() + seconds
        while True:
            if not self.alive:
                raise ServiceEnded(f"{self.name} ended while starting:\n{self.tail()}")
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(f"{self.url}/readyz") as answer:
                    if answer.status == 200:
                        return
            if time.monotonic() > until:
                raise TimeoutError(f"{self.name} is not ready after {seconds} s:\n{self.tail()}")
            await asyncio.sleep(0.1)

    def stop(self, seconds: float = 25) -> None:
        if self.process is None or not self.alive:
            return
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)

    def kill(self) -> None:
        """`kill -9`."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGKILL)
            self.process.wait(10)


class Platform:
    """
    The servers and the five services of one data folder.

    `start` makes what is missing, provisions, and returns when all is ready; `stop` ends all.
    """

    def __init__(
        self,
        data: Path,
        *,
        sample: bool = False,
        ports: Mapping[str, int] | None = None,
        oidc: bool = True,
        say: Say = lambda _: None,
        more: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.data = data.resolve()
        self.data.mkdir(parents=True, exist_ok=True)
        self.say = say
        self.more = dict(more or {})
        known = self._known_ports()
        wanted = {**PORTS, **known, **(ports or {})}
        free: dict[str, int] = {}
        for name, port in wanted.items():
            found = free_port(port)
            while found in free.values():
                found = free_port()
            free[name] = found
        self.ports = free
        urls = {name: f"http://127.0.0.1:{self.ports[name]}" for name in SERVICES}
        if oidc:
            urls["oidc"] = f"http://127.0.0.1:{self.ports['oidc']}"
        self.ring = Keyring(self.data / "keys")
        self.postgres = Postgres(self.data / "postgres", self.ports["postgres"])
        self.nats = Nats(self.data / "nats", self.ports["nats"])
        self.system = System(
            self.data,
            f"nats://127.0.0.1:{self.ports['nats']}",
            self.postgres.url,
            urls,
            self.data / "keys",
            sample,
        )
        self.processes: dict[str, Process] = {}

    def _known_ports(self) -> dict[str, int]:
        path = self.data / "system.json"
        if not path.exists():
            return {}
        with contextlib.suppress(ValueError, KeyError):
            known: dict[str, Any] = json.loads(path.read_text())
            urls = {**known["urls"], "nats": known["nats_url"], "postgres": known["postgres_url"]}
            return {name: int(url.rsplit(":", 1)[1]) for name, url in urls.items()}
        return {}

    async def start_servers(self) -> None:
        """Keys, PostgreSQL, NATS; streams, durables and databases as the cards say."""
        self.ring.make()
        self.say("starting PostgreSQL")
        self.postgres.start()
        self.write_nats_conf()
        self.say("starting NATS")
        self.nats.start()
        await wait_for(self.system.nats_url, self.ring.nats_seed("admin").read_text())
        self.say("provisioning streams, durables and databases")
        await self.provision()
        self.system.write()

    def write_nats_conf(self) -> None:
        folder = self.data / "nats"
        folder.mkdir(parents=True, exist_ok=True)
        conf = nats_conf(cards(), self.ring, store=folder / "store", port=self.ports["nats"])
        (folder / "nats.conf").write_text(conf)
        users = folder / "organisations.conf"
        if not users.exists():
            users.write_text(organisations_conf({}, self.ring))

    async def provision(self) -> Drift:
        """Make what the cards say and is missing."""
        services = cards()
        system, ring = self.system, self.ring
        drift = await provision_databases(system.postgres_url, services)
        async with connected(system.nats_url, ring.nats_seed("admin").read_text(), "op") as client:
            drift.made += (await provision_platform(client.jetstream(), services)).made
        seed = ring.nats_seed("intake-admin").read_text()
        async with connected(system.nats_url, seed, "op") as client:
            drift.made += (await provision_intake(client.jetstream(), [])).made
        await note_provisioned(system, drift)
        return drift

    def add(self, service: str, *, name: str = "", **more: str) -> Process:
        """Another process of *service*, not started yet; a second one takes a free port."""
        name = name or service
        told = {**self.more.get(service, {}), **more}
        if name != service:
            told.setdefault("HTTP_PORT", str(free_port()))
        process = Process(self.system, service, name=name, **told)
        self.processes[name] = process
        return process

    async def start_services(self) -> None:
        """All five, then wait until each is ready."""
        for service in SERVICES:
            self.say(f"starting {service}")
            self.add(service).start()
        async with aiohttp.ClientSession() as session:
            await asyncio.gather(*(p.ready(session) for p in self.processes.values()))
        pids = {n: p.process.pid for n, p in self.processes.items() if p.process}
        self.system = replace(self.system, processes=pids)
        self.system.write()

    async def start(self) -> None:
        await self.start_servers()
        await self.start_services()

    async def watch(self) -> None:
        """For ever while all is well; raises `ServiceEnded` when a process ends."""
        while True:
            for process in self.processes.values():
                if not process.alive:
                    raise ServiceEnded(f"{process.name} ended by itself:\n{process.tail()}")
            for server, name in ((self.postgres, "PostgreSQL"), (self.nats, "NATS")):
                if server.process is not None and server.process.poll() is not None:
                    raise ServiceEnded(f"{name} ended by itself; see {server.log}")
            await asyncio.sleep(0.5)

    def stop(self) -> None:
        """Services first, all at once; then NATS; PostgreSQL last."""
        for process in self.processes.values():
            if process.process is not None and process.alive:
                process.process.terminate()
        for process in self.processes.values():
            process.stop()
        self.nats.stop()
        self.postgres.stop()
