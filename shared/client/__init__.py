"""
The client of the door. A company's own system uses `Client`; see README.md beside this.

Rows of a file become intake events, are sent, and get their receipts.

    from shared.client import HttpSender, prepare, read_events, read_mapping, send_all
    from shared.vocabulary.regions import shipped

    mapping = read_mapping("seutumassa")                  # or the path of your own
    prepared = prepare(read_events("massat.csv", mapping, shipped()["01"], organisation="acme"))
    for error in prepared.errors:
        print(error.row, error.column, error.value, error.text)
    async with HttpSender("https://registry.example", key, "acme") as sender:
        outcome = await sender.send(prepared.events)
    print(outcome.accepted, outcome.rejected, outcome.tonnes)

The words of a mapping file are told in `mappings/indot.yaml`, which uses them all.
"""

from shared.client.cells import BadTable, Form, MissingColumns
from shared.client.credentials import Credentials
from shared.client.facade import Client, OwnMatch
from shared.client.https_door import HttpSender, Registry
from shared.client.jsonl import events_from_jsonl
from shared.client.mapping import BadMapping, FileMapping, read_mapping, shipped_mappings
from shared.client.nats_door import NatsSender
from shared.client.outgoing import (
    Item,
    Note,
    Outgoing,
    Prepared,
    RowError,
    Skipped,
    event_id,
    prepare,
)
from shared.client.reader import (
    ReadArea,
    Reader,
    ReadForecast,
    ReadMatch,
    ReadProject,
    ReadReceipt,
)
from shared.client.reading import read_events
from shared.client.regions import region_from_csv
from shared.client.sending import NotSent, Outcome, Sender, Verdict, send_all
from shared.client.tables import open_table, read_rows

__all__ = [
    "BadMapping",
    "BadTable",
    "Client",
    "Credentials",
    "FileMapping",
    "Form",
    "HttpSender",
    "Item",
    "MissingColumns",
    "NatsSender",
    "NotSent",
    "Note",
    "Outcome",
    "Outgoing",
    "OwnMatch",
    "Prepared",
    "ReadArea",
    "ReadForecast",
    "ReadMatch",
    "ReadProject",
    "ReadReceipt",
    "Reader",
    "Registry",
    "RowError",
    "Sender",
    "Skipped",
    "Verdict",
    "event_id",
    "events_from_jsonl",
    "open_table",
    "prepare",
    "read_events",
    "read_mapping",
    "read_rows",
    "region_from_csv",
    "send_all",
    "shipped_mappings",
]
