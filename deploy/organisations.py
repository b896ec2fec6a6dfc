"""Organisations at the doors: their keys at the server, their streams, their saved credentials."""

import asyncio
import fcntl
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.asking import Asking
from deploy.keyring import NatsKey, new_nats_key, write_secret
from deploy.nats_conf import organisations_conf
from deploy.provision import Quota, connected, provision_intake, reload, remove_intake
from deploy.system import System
from deploy.trail import note_command


class NotReloaded(Exception):
    """The NATS server did not take the new users; its log says why."""


@dataclass(frozen=True)
class Credentials:
    """What an organisation's systems need, shown once."""

    organisation: str
    nats_url: str
    nats_seed: str
    registry_url: str
    https_key: str
    matcher_url: str

    def to_json(self) -> dict[str, str]:
        return dict(vars(self))

    def save(self, system: System) -> Path:
        """Keep them in the data folder, for the owner's eyes only."""
        path = system.organisations / f"{self.organisation}.json"
        write_secret(path, json.dumps(self.to_json(), indent=1))
        return path


async def open_doors(system: System, ask: Asking, *, quota: Quota | None = None) -> list[str]:
    """
    Bring the server in line with the registry: users, and a stream for each organisation.

    Returns the organisations that may come in over NATS. Raises `NotReloaded`.
    """
    async with _alone(system.data / "nats"):
        users = await ask.every("registry", "/nats-users")
        keys: dict[str, list[str]] = defaultdict(list)
        for user in users:
            keys[user["organisation"]].append(user["public_key"])
        await write_users(system, keys)
    seed = system.ring.nats_seed("intake-admin").read_text()
    async with connected(system.nats_url, seed, "operator") as client:
        await provision_intake(client.jetstream(), sorted(keys), quota=quota)
    return sorted(keys)


@asynccontextmanager
async def _alone(folder: Path) -> AsyncIterator[None]:
    """One command at a time: an older answer of the registry must not overwrite a newer one."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "doors.lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                await asyncio.sleep(0.05)
        yield


async def write_users(system: System, keys: dict[str, list[str]]) -> None:
    """Write the companies' users beside the server's configuration, and let it read them."""
    path = system.data / "nats" / "organisations.conf"
    unread = path.with_suffix(".unread")
    told = organisations_conf(keys, system.ring)
    if path.exists() and path.read_text() == told and not unread.exists():
        return
    unread.touch()  # stays until the server has read it: a revoked key must not outlive a fault
    write_secret(path, told)
    if not await reload(system.nats_url, system.ring.nats_seed("system").read_text()):
        raise NotReloaded("the NATS server did not take organisations.conf; see its log")
    unread.unlink()


async def add_organisation(
    system: System,
    ask: Asking,
    *,
    token: str,
    title: str,
    region: str,
    business_id: str | None = None,
    actor_type: str = "company",
    open_door: bool = True,
) -> Credentials:
    """Make an organisation in the registry, with keys for both doors."""
    told = {"token": token, "title": title, "region": region, "actor_type": actor_type}
    if business_id:
        told["business_id"] = business_id
    made = await ask("registry", "POST", "/organisations", told)
    key = await register_nats_key(ask, token)
    if open_door:
        await open_doors(system, ask)
    return _credentials(system, token, key.seed, made["key"])


def _credentials(system: System, token: str, seed: str, key: str) -> Credentials:
    urls = system.urls
    return Credentials(token, system.nats_url, seed, urls["registry"], key, urls["matcher"])


SANDBOX = "99"
"""The sample region: its masses meet each other only, and count in no official figure."""


async def add_twin(
    system: System, ask: Asking, token: str, *, twin: str | None = None
) -> Credentials:
    """The sandbox twin of organisation *token*, with keys of its own, in the sample region."""
    told = await ask("registry", "GET", f"/organisations/{token}")
    if told["region"] == SANDBOX:
        raise ValueError(f"{token} lies in the sample region itself: use it as it is")
    return await add_organisation(
        system,
        ask,
        token=twin or f"{token}-sandbox",
        title=f"{told['title']} (sandbox)",
        region=SANDBOX,
        actor_type=told["actor_type"],
    )


async def register_nats_key(ask: Asking, token: str) -> NatsKey:
    """A fresh NKey, its public half known to the registry."""
    key = new_nats_key()
    body = {"kind": "nats", "public_key": key.public}
    await ask("registry", "POST", f"/organisations/{token}/keys", body)
    return key


async def rotate(system: System, ask: Asking, token: str) -> Credentials:
    """New keys for both doors; the old ones end at once."""
    old = await ask.every("registry", f"/organisations/{token}/keys")
    key = await register_nats_key(ask, token)
    https = await ask("registry", "POST", f"/organisations/{token}/keys", {"kind": "https"})
    await _end(ask, token, old)
    await open_doors(system, ask)
    return _credentials(system, token, key.seed, https["key"])


async def revoke(system: System, ask: Asking, token: str, *, with_stream: bool = False) -> int:
    """End every key of *token*; how many. *with_stream* also drops what it left unread."""
    old = await ask.every("registry", f"/organisations/{token}/keys")
    ended = await _end(ask, token, old)
    await open_doors(system, ask)
    if with_stream:
        await note_command(system, "door-removed", f"organisation/{token}", token)
        seed = system.ring.nats_seed("intake-admin").read_text()
        async with connected(system.nats_url, seed, "operator") as client:
            await remove_intake(client.jetstream(), token)
    return ended


async def _end(ask: Asking, token: str, keys: Sequence[dict[str, Any]]) -> int:
    live = [key for key in keys if not key.get("revoked_at")]
    for key in live:
        await ask("registry", "DELETE", f"/organisations/{token}/keys/{key['id']}")
    return len(live)


def saved(system: System, token: str) -> dict[str, str]:
    """The saved credentials of *token*; raises `FileNotFoundError` with the remedy."""
    path = system.organisations / f"{token}.json"
    if not path.exists():
        raise FileNotFoundError(
            f"no saved credentials of {token!r}: make them with "
            f"`massakoppi org add {token} … --save` or `massakoppi org rotate {token} --save`"
        )
    told: dict[str, str] = json.loads(path.read_text())
    return told
