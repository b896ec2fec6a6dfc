"""A service's identity card: what it keeps, reacts to, announces, works off and answers."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from fastapi import APIRouter, FastAPI

from shared.contracts.base import Event
from shared.contracts.intake import Handed
from shared.settings import SharedSettings
from shared.work import Ledger, Work

Handler = Callable[..., Awaitable[None]]


class Refused(Exception):
    """The handler says *never*: the event goes to the dead letters at once."""


@dataclass(frozen=True)
class Batch:
    """A handler that takes a list of events in one transaction, up to *size* of them."""

    handler: Handler
    size: int


def batch(handler: Handler, *, size: int = 100) -> Batch:
    """*handler* takes what lies ready, up to *size* events; nothing is waited for."""
    return Batch(handler, size)


@dataclass(frozen=True)
class Due:
    """
    Rows of the service's own that are due, in *table* with columns *key*, `due_at`,
    `claimed_by`, `claimed_until` and `attempts`.

    Rows are claimed by lease, *size* at a time, and handed one by one with a `Work` of their own;
    the handler deletes the row or moves its `due_at`. One that fails comes back after a delay. With
    *together* the handler gets all that were claimed at once, in one work. After each claim
    the worker rests *rest* times as long as it worked, a second at most, and leaves the machine to
    what others wait for.
    """

    table: str
    key: tuple[str, ...]
    size: int = 4
    lease_s: float = 30.0
    poll_s: float = 1.0
    at_once: int = 1
    together: bool = False
    rest: float = 0.0


@dataclass(frozen=True)
class Knock:
    """One message at a company's door, before anybody has read it."""

    organisation: str
    event_name: str
    headers: Mapping[str, str]
    body: bytes
    stream_seq: int | None = None
    deliveries: int = 1


@dataclass(frozen=True)
class Answered:
    """The knock has its verdict; the message is done with."""


@dataclass(frozen=True)
class Later:
    """The knock came too early; look again in *seconds*."""

    seconds: float


@dataclass(frozen=True)
class NotOurs:
    """The message is no event and deserves no verdict (a stray acknowledgement)."""


Answer = Answered | Later | NotOurs


class TakesIn(Protocol):
    """Reads knocks in one transaction and answers each, in order."""

    async def __call__(self, knocks: Sequence[Knock], work: Work) -> Sequence[Answer]: ...


@dataclass(frozen=True)
class Door:
    """
    The company door over NATS: one reader an organisation.

    *organisations* asks which are open now; it is asked again every *every_s* seconds.
    """

    contracts: tuple[type[Handed], ...]
    take_in: TakesIn
    organisations: Callable[[Any], Awaitable[Sequence[str]]]
    size: int = 100
    every_s: float = 2.0


@dataclass(frozen=True)
class Service:
    """
    What a service is. Nothing is opened by making one.

    *also_tells* are events told to single organisations, over streams in the companies' account.
    *beside* are tasks that run as long as the service does (given the running service).
    *as_of* answers when the last event that this service applied was told.
    """

    name: str
    settings: SharedSettings
    ledger: Ledger | None = None
    reacts_to: Mapping[type[Event], Handler | Batch] = field(default_factory=dict)
    takes_in: Door | None = None
    works_off: Mapping[Due, Handler] = field(default_factory=dict)
    announces: tuple[type[Event], ...] = ()
    also_tells: tuple[type[Event], ...] = ()
    api: APIRouter | None = None
    listens: Callable[[FastAPI, str, bytes], Awaitable[None]] | None = None
    on_start: Callable[[FastAPI], Awaitable[None]] | None = None
    on_stop: Callable[[FastAPI], Awaitable[None]] | None = None

    @property
    def needs_intake(self) -> bool:
        """Whether it holds a second connection, into the companies' account."""
        return self.takes_in is not None or bool(self.also_tells)


def durable_of(reader: str, contract: type[Event]) -> str:
    """`<reader>-<event-name>-v<major>`: a promise, never a function's name."""
    _, event_name, version = contract.name.split(".")
    return f"{reader}-{event_name}-{version}"


def intake_stream(organisation: str) -> str:
    return f"intake-{organisation}"


def intake_durable(organisation: str) -> str:
    return f"registry-intake-{organisation}"


@dataclass(frozen=True)
class DueRow:
    """A claimed row: its columns as attributes of *row*."""

    row: Any
    claimed_until: datetime
