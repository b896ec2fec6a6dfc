"""Where the running system is found: its data folder, its addresses, its keys."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from deploy.keyring import Keyring, write_secret


class NotRunning(Exception):
    """No running system is known; start one with `massakoppi up`, or name its folder by --data."""


@dataclass(frozen=True)
class System:
    """
    Addresses of a system; what is in `system.json` of its data folder.

    Single settings of the environment win: `NATS_URL`, `POSTGRES_URL`, `REGISTRY_URL` ….
    """

    data: Path
    nats_url: str
    postgres_url: str
    urls: Mapping[str, str] = field(default_factory=dict)
    keys: Path = Path("keys")
    sample: bool = False
    processes: Mapping[str, int] = field(default_factory=dict)

    @property
    def ring(self) -> Keyring:
        return Keyring(self.keys)

    @property
    def organisations(self) -> Path:
        """Where saved credentials of organisations lie."""
        return self.data / "organisations"

    def operator_key(self) -> str:
        return self.ring.key("operator").read_text().strip()

    def write(self) -> None:
        told = {**asdict(self), "data": str(self.data), "keys": str(self.keys)}
        write_secret(self.data / "system.json", json.dumps(told, indent=1))


def folder(told: Path | None) -> Path:
    """The data folder: *told*, else `MASSAKOPPI_DATA`, else `./data`."""
    return Path(told or os.environ.get("MASSAKOPPI_DATA") or "data").resolve()


def find(told: Path | None = None) -> System:
    """The system of the data folder, with the environment's settings over it."""
    place = folder(told)
    path = place / "system.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    environment = os.environ
    urls = dict(known.get("urls", {}))
    for name in ("registry", "matcher", "indicators", "notifier", "portal"):
        if address := environment.get(f"{name.upper()}_URL"):
            urls[name] = address
    nats_url = environment.get("NATS_URL") or known.get("nats_url")
    postgres_url = environment.get("POSTGRES_URL") or known.get("postgres_url")
    if not (nats_url and postgres_url):
        raise NotRunning(
            f"no system in {place} (no system.json there): start one with `massakoppi up`, "
            "or name its folder with --data"
        )
    keys = Path(environment.get("MASSAKOPPI_KEYS") or known.get("keys") or place / "keys")
    return System(
        place, nats_url, postgres_url, urls, keys, known.get("sample", False),
        known.get("processes", {}),
    )  # fmt: skip
