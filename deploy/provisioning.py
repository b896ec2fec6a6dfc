"""Provisioning of a whole system: databases, both accounts of the server, the doors."""

import os
from pathlib import Path

from deploy.asking import Asking
from deploy.cards import cards
from deploy.keyring import Keyring
from deploy.nats_conf import nats_conf, organisations_conf
from deploy.organisations import open_doors
from deploy.provision import (
    Drift,
    connected,
    provision_databases,
    provision_intake,
    provision_platform,
    retention_holds,
    sync_always,
)
from deploy.system import System
from deploy.trail import note_command

_NAMED = 50
"""Of what was made or changed, in a row of the trail."""


def make_keys(data: Path, store: Path) -> list[str]:
    """Make missing keys and the server's configuration in *data*; what was made."""
    ring = Keyring(Path(os.environ.get("MASSAKOPPI_KEYS", data / "keys")))
    made = ring.make()
    folder = data / "nats"
    folder.mkdir(parents=True, exist_ok=True)
    told = nats_conf(cards(), ring, store=store, host="0.0.0.0")
    if not (folder / "nats.conf").exists() or (folder / "nats.conf").read_text() != told:
        (folder / "nats.conf").write_text(told)
        made.append("nats.conf")
    if not (folder / "organisations.conf").exists():
        (folder / "organisations.conf").write_text(organisations_conf({}, ring))
        made.append("organisations.conf")
    return made


async def note_provisioned(system: System, drift: Drift) -> None:
    """Put on the trail what was made or changed; nothing where all was there."""
    if drift.made or drift.changed:
        await note_command(
            system, "provisioned", "system",
            made=drift.made[:_NAMED], made_in_all=len(drift.made),
            changed=drift.changed[:_NAMED], changed_in_all=len(drift.changed),
        )  # fmt: skip


async def provision_all(system: System, *, check: bool, overwrite: bool) -> Drift:
    """Compare everything with the declaration; make what is missing unless *check*."""
    services = cards()
    ring = system.ring
    drift = await provision_databases(system.postgres_url, services, check=check)
    async with connected(system.nats_url, ring.nats_seed("admin").read_text(), "op") as client:
        found = await provision_platform(
            client.jetstream(), services, check=check, overwrite=overwrite
        )
        _add(drift, found)
    organisations: list[str] = []
    if system.urls.get("registry") and not check:
        try:
            async with Asking(system) as ask:
                organisations = await open_doors(system, ask)
        except OSError:  # the registry does not run yet: its doors are opened later
            organisations = []
    seed = ring.nats_seed("intake-admin").read_text()
    async with connected(system.nats_url, seed, "op") as client:
        found = await provision_intake(
            client.jetstream(), organisations, check=check, overwrite=overwrite
        )
        _add(drift, found)
    if not check:
        await note_provisioned(system, drift)
    if not await sync_always(system.nats_url, ring.nats_seed("system").read_text()):
        drift.left.append(
            "server: sync_interval is not `always`: an acknowledged event may be lost"
        )
    if not retention_holds():
        drift.left.append("retention: the inbox must be kept longer than the streams")
    return drift


def _add(drift: Drift, found: Drift) -> None:
    drift.made += found.made
    drift.changed += found.changed
    drift.left += found.left
