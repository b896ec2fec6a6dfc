"""The relay: what a transaction announced goes to NATS, then is marked as published."""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from sqlalchemy import text

from shared import telemetry
from shared.work import Database, Letter, point

Publish = Callable[[Letter], Awaitable[int]]
"""Publishes one letter under its id, awaits the acknowledgement, returns the stream sequence."""

CLAIM = text(
    """
    UPDATE outbox SET claimed_by = :token, claimed_until = now() + :lease * interval '1 second'
    WHERE id IN (
        SELECT id FROM outbox
        WHERE published_at IS NULL AND (claimed_until IS NULL OR claimed_until < now())
        ORDER BY created_at LIMIT :size FOR UPDATE SKIP LOCKED
    )
    RETURNING id, name, stream, subject, headers, payload, created_at
    """
)
MARK = text(
    """
    UPDATE outbox SET published_at = now(), stream_seq = sent.seq, attempts = attempts + 1
    FROM unnest(CAST(:ids AS uuid[]), CAST(:seqs AS bigint[])) AS sent(id, seq),
        -- a mark lost in a power cut sends a copy under the same id: no need to wait for the disk
        (SELECT set_config('synchronous_commit', 'off', true)) AS lax
    WHERE outbox.id = sent.id AND outbox.claimed_by = :token AND published_at IS NULL
    """
)
WAITS = text(
    """
    UPDATE outbox SET attempts = attempts + 1,
        claimed_until = now() + least(30, power(2, least(attempts, 5))) * interval '1 second'
    WHERE id = ANY(CAST(:ids AS uuid[])) AND claimed_by = :token AND published_at IS NULL
    """
)
STATE = text(
    """
    SELECT count(*), coalesce(extract(epoch FROM now() - min(created_at)), 0)
    FROM outbox WHERE published_at IS NULL
    """
)


class Relay:
    """
    Publishes what committed, at least once, under one id.

    Letters of this process come by `take` right after their commit, claimed already; what another
    process left behind is claimed when its lease has run out. A row is never given up, it ages.
    """

    def __init__(self, database: Database, publish: Publish, *, size: int = 256) -> None:
        self.database = database
        self.publish = publish
        self.size = size
        self.waiting: deque[Letter] = deque()
        self.news = asyncio.Event()
        self.stopping = False

    def take(self, letters: Sequence[Letter]) -> None:
        """Publish *letters* soon. Beyond 50 000 waiting, the rest is left to the claim."""
        if letters and len(self.waiting) < 50_000:
            self.waiting.extend(letters)
            self.news.set()

    async def run(self) -> None:
        """Publish until stopped, and once more what waits then."""
        claiming = asyncio.create_task(self._claim_left_behind())
        try:
            while not self.stopping or self.waiting:
                if not self.waiting:
                    self.news.clear()
                    await self.news.wait()  # who stops it sets this too
                    continue
                batch = [self.waiting.popleft() for _ in range(min(self.size, len(self.waiting)))]
                await self._send(batch)
        finally:
            claiming.cancel()

    async def _send(self, batch: Sequence[Letter]) -> None:
        answers = await asyncio.gather(*map(self.publish, batch), return_exceptions=True)
        sent = [
            (letter.id, seq)
            for letter, seq in zip(batch, answers, strict=True)
            if isinstance(seq, int)
        ]
        failed = [
            (letter.id, error)
            for letter, error in zip(batch, answers, strict=True)
            if isinstance(error, BaseException)
        ]
        for letter, seq in zip(batch, answers, strict=True):
            if isinstance(seq, int):
                telemetry.published.labels(letter.stream).inc()
        point("after-publish-before-mark")
        await self._mark(sent, [id for id, _ in failed])
        if failed:
            telemetry.log().warning("outbox_waits", events=len(failed), error=repr(failed[0][1]))
            await asyncio.sleep(0.2)

    async def _mark(self, sent: Sequence[tuple[UUID, int]], failed: Sequence[UUID]) -> None:
        token = self.database.relay_token
        try:
            async with self.database.engine.begin() as connection:
                if sent:
                    ids, seqs = zip(*sent, strict=True)
                    marks = {"ids": list(ids), "seqs": list(seqs), "token": token}
                    await connection.execute(MARK, marks)
                if failed:
                    await connection.execute(WAITS, {"ids": list(failed), "token": token})
        except Exception as error:  # away for a moment: the lease runs out and the id is known
            telemetry.log().warning("outbox_mark_waits", error=repr(error))

    async def _claim_left_behind(self) -> None:
        while not self.stopping:
            await asyncio.sleep(1)
            try:
                await self._look()
                if not self.waiting:
                    self.take(await self.claim())
            except Exception as error:
                telemetry.log().warning("outbox_claim_waits", error=repr(error))

    async def _look(self) -> None:
        async with self.database.engine.connect() as connection:
            pending, oldest = (await connection.execute(STATE)).one()
        telemetry.outbox_pending.set(pending)
        telemetry.outbox_oldest.set(float(oldest))

    async def claim(self) -> list[Letter]:
        """Unsent letters that nobody holds, oldest first, now under this relay's lease."""
        told = {
            "token": self.database.relay_token,
            "lease": self.database.lease_s,
            "size": self.size * 4,
        }
        async with self.database.engine.begin() as connection:
            rows = (await connection.execute(CLAIM, told)).all()
        return [letter_of(row) for row in rows]


def letter_of(row: object) -> Letter:
    """The letter in an outbox *row*."""
    headers = row.headers  # type: ignore[attr-defined]
    return Letter(
        row.id,  # type: ignore[attr-defined]
        row.name,  # type: ignore[attr-defined]
        row.stream,  # type: ignore[attr-defined]
        row.subject,  # type: ignore[attr-defined]
        headers if isinstance(headers, dict) else json.loads(headers),
        row.payload,  # type: ignore[attr-defined]
        row.created_at,  # type: ignore[attr-defined]
    )
