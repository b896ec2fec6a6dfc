"""The credentials of one organisation, and the sender they open."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.client.https_door import HttpSender, Registry
from shared.client.nats_door import NatsSender
from shared.client.sending import NotSent, Sender


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an organisation was given: an NKey seed and an HTTPS key, and where they open a door."""

    organisation: str
    nats_seed: str | None = None
    https_key: str | None = None
    nats_url: str | None = None
    registry_url: str | None = None
    matcher_url: str | None = None

    @classmethod
    def read(cls, path: str | Path) -> "Credentials":
        """Those in the JSON file *path*; raises `NotSent` with the remedy when there are none."""
        try:
            told = json.loads(Path(path).read_text("utf-8"))
            return cls(**{name: told.get(name) for name in cls.__slots__})
        except FileNotFoundError:
            token = Path(path).stem
            remedy = f"make them with `massakoppi org add {token} … --save`"
            raise NotSent(f"no credentials in {path}: {remedy}") from None
        except (ValueError, AttributeError) as error:
            raise NotSent(f"{path} holds no credentials: {error}") from error

    def over_https(self, what: str) -> tuple[str, str]:
        """The registry's URL and the key, which *what* needs; raises `NotSent` without them."""
        if not (self.registry_url and self.https_key):
            raise NotSent(f"{what} needs the HTTPS key of {self.organisation} and its URL")
        return self.registry_url, self.https_key

    def sender(self, **options: Any) -> Sender:
        """
        The way in that they open: NATS where there is a seed, else HTTPS; not yet connected.

        *options* go to the sender. Raises `NotSent` when they open neither.
        """
        registry = None
        if self.registry_url and self.https_key:
            registry = Registry(self.registry_url, self.https_key)
        if self.nats_seed and self.nats_url:
            return NatsSender(
                self.nats_url, self.organisation, seed=self.nats_seed, registry=registry, **options
            )
        if self.registry_url and self.https_key:
            return HttpSender(self.registry_url, self.https_key, self.organisation, **options)
        raise NotSent(f"the credentials of {self.organisation} open no door: no key with its URL")
