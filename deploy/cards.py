"""The five cards; a service's own code is imported only when its card is asked for."""

from importlib import import_module
from typing import Any

from deploy.keyring import SERVICES
from shared.service import Service
from shared.settings import SharedSettings


class UnknownService(Exception):
    """There is no service of that name."""


def settings_kind(name: str) -> type[SharedSettings]:
    """The class of the settings of service *name*; raises `UnknownService`."""
    if name not in SERVICES:
        raise UnknownService(f"no service {name!r}: one of {', '.join(SERVICES)}")
    kind: type[SharedSettings] = import_module(f"services.{name}.settings").Settings
    return kind


def card(name: str, **settings: Any) -> Service:
    """The card of service *name*, with *settings* over those of the environment."""
    told = settings_kind(name)(**settings)
    service: Service = import_module(f"services.{name}.app").build(told)
    return service


def cards(**settings: Any) -> list[Service]:
    """All five, in the order in which they start."""
    return [card(name, **settings) for name in SERVICES]
