"""A stream of events is read as the standard has it, wherever it is cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.connectors.event_stream import EventStream, EventTooLarge, Message

TOLD = (
    b"\xef\xbb\xbf: hello\n\n"
    b"retry: 2500\nid: 1\nevent: project-update\ndata: {\"a\":\ndata:  1}\n\n"
    b"data: no space\r\n\r\n"
    b"id: 2\rdata:x\rdata\r\r"
    b"event: forgotten\n\n"
    b"id: 3\n\n"
    b"id: not\0this\ndata: kept\n\n"
    b"retry: soon\nunknown: field\ndata: \xc3\xa4\xe2\x82\xac\n\n"
    b"id\ndata: without an id\n\n"
    b"data: cut off"
)  # fmt: skip
MEANT = [
    Message("project-update", '{"a":\n 1}', "1"),
    Message("message", "no space", "1"),
    Message("message", "x\n", "2"),
    Message("message", "kept", "3"),
    Message("message", "ä€", "3"),
    Message("message", "without an id", ""),
]


def read(*chunks: bytes) -> tuple[list[Message], EventStream]:
    stream = EventStream()
    reading = stream.messages()
    return [message for chunk in chunks for message in reading.feed(chunk)], stream


def test_every_rule_of_the_standard() -> None:
    """Mark, comment, lines of data, ids, a retry, and all three ends of a line."""
    messages, stream = read(TOLD)

    assert messages == MEANT
    assert stream.retry_ms == 2500


@given(st.lists(st.integers(0, len(TOLD)), max_size=20))
def test_where_it_is_cut_changes_nothing(cuts: list[int]) -> None:
    """In a letter, between CR and LF, in a field's name."""
    places = [0, *sorted(cuts), len(TOLD)]
    chunks = [TOLD[a:b] for a, b in pairwise(places)]

    assert read(*chunks)[0] == MEANT


def test_byte_by_byte() -> None:
    """One byte at a time gives the same, at the moment the empty line is there."""
    assert read(*(TOLD[at : at + 1] for at in range(len(TOLD))))[0] == MEANT


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_a_fault(told: bytes) -> None:
    """A stranger's stream may hold anything."""
    read(told)


def test_an_id_alone_moves_the_position_without_a_message() -> None:
    """As a server tells how far it is while there is no news."""
    messages, stream = read(b"id: 41\n\n: beat\n\n")

    assert (messages, stream.last_event_id) == ([], "41")


def test_the_id_of_an_event_that_did_not_end_is_not_kept() -> None:
    """It is asked for again."""
    assert read(b"id: 1\ndata: a\n\nid: 2\ndata: b")[1].last_event_id == "1"


def test_an_event_without_end_is_given_up() -> None:
    """Memory is not the stranger's to fill, in one line or in many."""
    with pytest.raises(EventTooLarge):
        read(b"data: " + b"x" * (5 << 20))
    with pytest.raises(EventTooLarge):
        read(*[b"data: " + b"x" * 100_000 + b"\n"] * 50)
