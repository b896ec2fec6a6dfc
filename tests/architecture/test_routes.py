"""Every route of every service asks who asks, but for a list that is short and stands here."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute

from deploy.cards import cards
from services.portal.api.visitor import visitor
from shared.http import asker
from shared.service import Service

OPEN = {
    "registry": {
        "POST /tokens": "a key or a sign-in is proved here",
        "GET /keys": "the public key, for everybody",
        "GET /open/forecasts": "open data: what its owner made public",
    },
    "portal": {
        "GET /static/{mark}/{name}": "styles, script, icon",
        "GET /login": "begins a sign-in",
        "GET /callback": "ends a sign-in",
        "POST /logout": "forgets who this was",
        "POST /language": "sets a cookie with the language",
        "GET /{_:path}": "says that there is no such page",
    },
}


def routes(router: APIRouter) -> Iterator[APIRoute]:
    """Every route of *router* and of the routers in it."""
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield route
        else:
            yield from routes(route.original_router)  # type: ignore[attr-defined]


def asked(needed: Any) -> Iterator[Callable[..., Any] | None]:
    """Everything that is called before the route's own function, however deep."""
    yield needed.call
    for one in needed.dependencies:
        yield from asked(one)


SERVICES = [service for service in cards() if service.api is not None]
every_service = pytest.mark.parametrize("service", SERVICES, ids=lambda one: one.name)


@every_service
def test_a_route_asks_who_asks_or_is_on_the_list(service: Service) -> None:
    """A new route without `Asking` (in the portal: `Visiting`) fails here."""
    assert service.api is not None
    gate = visitor if service.name == "portal" else asker

    unguarded = {
        f"{method} {route.path}"
        for route in routes(service.api)
        if gate not in asked(route.dependant)  # codespell:ignore dependant
        for method in route.methods
    }

    assert unguarded == set(OPEN.get(service.name, {}))


@every_service
def test_the_walk_sees_the_routes(service: Service) -> None:
    """The test above is not empty by accident."""
    assert service.api is not None
    assert len(list(routes(service.api))) >= 4
