"""Lists of projects over HTTP: GeoJSON or plain JSON, on one page or many."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
from yarl import URL

MOST_PAGES: Final = 1000
LARGEST_PAGE: Final = 64 << 20  # bytes


class SourceAway(Exception):
    """The source cannot be read now; it is asked again after a pause."""


@dataclass(frozen=True, slots=True)
class Page:
    """The items of a whole list; *validators* are those by which it is asked whether it changed."""

    items: list[tuple[Any, Any]]
    validators: Mapping[str, str]


def authorization(file: Path | None) -> dict[str, str]:
    """The header that opens the source; none where no file is told."""
    if file is None:
        return {}
    try:
        return {"Authorization": file.read_text("utf-8").strip()}
    except OSError as error:
        raise SourceAway(f"authorization_file cannot be read: {error}") from error


async def whole_list(
    session: aiohttp.ClientSession, url: str, headers: Mapping[str, str]
) -> Page | None:
    """
    Every item of the list at *url* with its geometry, all pages; None when it has not changed.

    Raises `SourceAway` when any page is missing or no list: half a list would withdraw the rest.
    """
    items: list[tuple[Any, Any]] = []
    validators: dict[str, str] = {}
    following: URL | None = URL(url)
    seen: set[URL] = set()
    while following is not None:
        if following in seen or len(seen) == MOST_PAGES:
            raise SourceAway(f"the pages of {url} do not end at {following}")
        seen.add(following)
        asked = headers if len(seen) == 1 else _without_conditions(headers)
        told, answer = await _page(session, following, asked)
        if told is None:
            return None
        items += _items(told, following)
        after = _next(told, answer, following)
        if len(seen) == 1 and after is None:
            validators = _validators(answer.headers)
        following = after
    return Page(items, validators)


async def _page(
    session: aiohttp.ClientSession, url: URL, headers: Mapping[str, str]
) -> tuple[Any, aiohttp.ClientResponse]:
    accepted = {"Accept": "application/geo+json, application/json", **headers}
    try:
        async with session.get(url, headers=accepted) as answer:
            if answer.status == 304:
                return None, answer
            if answer.status != 200:
                raise SourceAway(f"{url} answered {answer.status}")
            body = await answer.content.read(LARGEST_PAGE + 1)
            while len(body) <= LARGEST_PAGE and (more := await answer.content.read(1 << 20)):
                body += more
            if len(body) > LARGEST_PAGE:
                raise SourceAway(f"{url} is larger than {LARGEST_PAGE} bytes: ask it for pages")
    except (aiohttp.ClientError, TimeoutError) as error:
        raise SourceAway(f"{url} cannot be read: {error!r}") from error
    try:
        return json.loads(body), answer
    except (ValueError, RecursionError) as error:
        raise SourceAway(f"{url} is no JSON: {error}") from error


def _items(told: Any, url: URL) -> Iterator[tuple[Any, Any]]:
    """Each item and its geometry: features, or the items of a plain list or page."""
    if isinstance(told, Mapping) and isinstance(told.get("features"), list):
        for each in told["features"]:
            if isinstance(each, Mapping):
                properties = each.get("properties")
                own = properties if isinstance(properties, Mapping) else {}
                id = {"id": each["id"]} if "id" in each and "id" not in own else {}
                yield {**id, **own}, _placed(each.get("geometry"), told.get("crs"))
            else:
                yield each, None
        return
    if isinstance(told, Mapping):
        told = next((told[name] for name in ("results", "items") if name in told), None)
    if not isinstance(told, list):
        raise SourceAway(f"{url} is no list: it has neither features, results nor items")
    for each in told:
        yield each, each.get("geometry") if isinstance(each, Mapping) else None


def _placed(geometry: Any, crs: Any) -> Any:
    """*geometry* with the system that its collection names, where it names none itself."""
    if crs is None or not isinstance(geometry, Mapping) or "crs" in geometry:
        return geometry
    return {**geometry, "crs": crs}


def _next(told: Any, answer: aiohttp.ClientResponse, url: URL) -> URL | None:
    """The next page, by the body or the header `Link`; only of the same server."""
    after: Any = None
    if isinstance(told, Mapping):
        after = told.get("next")
        links = told.get("links")
        for link in links if isinstance(links, list) else ():
            if isinstance(link, Mapping) and link.get("rel") == "next":
                after = link.get("href")
    header = answer.links.get("next")
    if after is None and header is not None:
        after = str(header.get("url"))
    if not isinstance(after, str) or not after:
        return None
    try:
        found = url.join(URL(after))
    except ValueError as error:
        raise SourceAway(f"the next page of {url} has no address: {after!r}") from error
    if found.origin() != url.origin():
        raise SourceAway(f"the next page of {url} is at another server, {found.host}")
    return found


def _validators(headers: Mapping[str, str]) -> dict[str, str]:
    told = {"If-None-Match": headers.get("ETag"), "If-Modified-Since": headers.get("Last-Modified")}
    return {name: value for name, value in told.items() if value}


def _without_conditions(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if not name.startswith("If-")}
