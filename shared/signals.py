"""«Look again», without content, on core NATS after the commit: worth nothing a minute later."""

import json
from collections.abc import Awaitable, Callable, Sequence

from shared.work import Signal

Send = Callable[[str, bytes], Awaitable[None]]


def subject_of(service: str, signal: Signal) -> str:
    """`signals.<service>.<topic>.<region>.<organisation or ->`."""
    return f"signals.{service}.{signal.topic}.{signal.region}.{signal.organisation}"


async def send(service: str, signals: Sequence[Signal], publish: Send) -> None:
    """Publish each of *signals* once; equal ones are one."""
    for signal in dict.fromkeys(signals):
        body = {"id": signal.id, "revision": signal.revision, "origin": signal.origin}
        await publish(subject_of(service, signal), json.dumps(body).encode())


def read(subject: str, body: bytes) -> tuple[str, Signal]:
    """The service and the signal in a message; raises `ValueError` when it is none."""
    _, service, topic, region, organisation = subject.split(".", 4)
    told = json.loads(body)
    return service, Signal(
        topic, region, organisation, told["id"], told["revision"], told["origin"]
    )
