"""Server-sent events as the HTML standard has them, read piece by piece."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

LARGEST_EVENT: Final = 4 << 20  # characters; what is longer is no news of a project


class Message(NamedTuple):
    """One event: its type, its data, and the id that stood when it came."""

    event: str
    data: str
    id: str


class EventTooLarge(Exception):
    """An event of the stream is longer than 4 MiB."""


@dataclass(slots=True)
class EventStream:
    """
    Reads a stream that may be cut anywhere: in a character, in CR LF, in a field.

    *last_event_id* stands from one connection to the next; *retry_ms* is the pause that the server
    asked for. What is left without its empty line when the stream ends was never an event.
    """

    last_event_id: str = ""
    retry_ms: int | None = None

    def messages(self) -> "Reading":
        """A reading of one connection, from its first byte."""
        return Reading(self)


class Reading:
    """One connection's bytes on their way to messages."""

    def __init__(self, stream: EventStream) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text = ""
        self._first = True
        self._after_cr = False
        self._event = ""
        self._data: list[str] = []
        self._size = 0
        self._id = stream.last_event_id

    def feed(self, chunk: bytes) -> Iterator[Message]:
        """The messages that *chunk* completes; raises `EventTooLarge`."""
        text = self._decoder.decode(chunk)
        if self._first and text:
            self._first = False
            text = text.removeprefix("\ufeff")
        if self._after_cr and text:
            self._after_cr = False
            text = text.removeprefix("\n")
        self._text += text
        *lines, self._text = self._lines()
        for line in lines:
            if line:
                self._field(line)
            elif (message := self._dispatched()) is not None:
                yield message
        if len(self._text) + self._size > LARGEST_EVENT:
            raise EventTooLarge

    def _lines(self) -> list[str]:
        """Whole lines, and what is left; a CR ends its line at once, its LF may come later."""
        self._after_cr = self._after_cr or self._text.endswith("\r")
        return self._text.replace("\r\n", "\n").replace("\r", "\n").split("\n")

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._event = value
            case "data":
                self._data.append(value)
                self._size += len(value) + 1
                if self._size > LARGEST_EVENT:
                    raise EventTooLarge
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isascii() and value.isdecimal():
                self._stream.retry_ms = int(value[:9])

    def _dispatched(self) -> Message | None:
        event, data = self._event or "message", self._data
        self._event, self._data, self._size = "", [], 0
        self._stream.last_event_id = self._id
        if not data:
            return None
        return Message(event, "\n".join(data), self._id)
