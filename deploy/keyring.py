"""The keys of one installation: made once, kept in files that only their owner reads."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import nkeys

from shared.access import digest, new_key, new_signing_key

SERVICES = ("registry", "matcher", "indicators", "notifier", "portal")
INTAKE_SERVICES = ("registry", "matcher")
SERVER_USERS = ("admin", "intake-admin", "system")


@dataclass(frozen=True)
class NatsKey:
    """An NKey: the seed stays with its user, the public half goes to the server."""

    seed: str
    public: str


def new_nats_key() -> NatsKey:
    """A fresh NKey of a user."""
    seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
    return NatsKey(seed.decode(), public_half(seed.decode()))


def public_half(seed: str) -> str:
    """The public key of *seed*; raises `ValueError` when it is no NKey seed."""
    try:
        return str(nkeys.from_seed(seed.strip().encode()).public_key.decode())
    except Exception as error:
        raise ValueError("this is no NKey seed (it begins with SU)") from error


def write_secret(path: Path, content: str) -> None:
    """Write *content* for the owner's eyes only, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(path.suffix + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
    beside.replace(path)


class Keyring:
    """The key files in *folder*; `make` adds what is missing and changes nothing else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def nats_seed(self, user: str) -> Path:
        """Where the NKey seed of *user* lies: a service, `<service>-intake`, or a server user."""
        return self.folder / "nats" / f"{user}.nk"

    def nats_public(self, user: str) -> str:
        return public_half(self.nats_seed(user).read_text())

    def key(self, name: str) -> Path:
        """Where the key for the registry of *name* lies: a service, or `operator`."""
        return self.folder / "access" / f"{name}.key"

    @property
    def signing(self) -> Path:
        return self.folder / "access" / "signing.jwk"

    @property
    def public(self) -> Path:
        return self.folder / "access" / "public.jwk"

    @property
    def platform_keys(self) -> Path:
        return self.folder / "access" / "platform-keys.json"

    @property
    def cookie(self) -> Path:
        return self.folder / "access" / "cookie.key"

    @property
    def client_secret(self) -> Path:
        return self.folder / "access" / "oidc-client.key"

    def make(self) -> list[str]:
        """Make what is missing; the names of what was made."""
        made = []
        users = (*SERVICES, *(f"{name}-intake" for name in INTAKE_SERVICES), *SERVER_USERS)
        for user in users:
            if not self.nats_seed(user).exists():
                write_secret(self.nats_seed(user), new_nats_key().seed)
                made.append(f"nats key of {user}")
        if not self.signing.exists():
            key = new_signing_key()
            write_secret(self.signing, json.dumps(key.as_dict(private=True)))
            write_secret(self.public, json.dumps(key.as_dict(private=False)))
            made.append("signing key of the registry")
        for name in ("operator", *SERVICES):
            if not self.key(name).exists():
                write_secret(self.key(name), new_key())
                made.append(f"key of {name}")
        for path in (self.cookie, self.client_secret):
            if not path.exists():
                write_secret(path, new_key())
                made.append(path.stem)
        digests = {
            name: digest(self.key(name).read_text().strip()) for name in ("operator", *SERVICES)
        }
        told = json.dumps(digests, indent=1)
        if not self.platform_keys.exists() or self.platform_keys.read_text() != told:
            write_secret(self.platform_keys, told)
        return made
