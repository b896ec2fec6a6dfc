"""What is written from the contracts and the cards: schemas; of docs, events and both APIs."""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy.cards import cards
from deploy.codes import codes_md
from deploy.compatibility import advice, breaks, leaves_too_early
from shared.contracts import EVENTS, HANDED, OUTWARD
from shared.contracts.base import DRAFT, Event, notice, schema
from shared.contracts.intake import Handed
from shared.http import application
from shared.service import Service, durable_of

ROOT = Path(__file__).parents[1]
SCHEMAS = ROOT / "tests" / "contracts" / "schemas"


def handed_schema(contract: type[Handed]) -> dict[str, Any]:
    """The JSON Schema of what companies hand in."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"/schemas/{contract.name}.json",
        "x-status": "draft" if DRAFT else "published",
        **notice(contract.deprecated_on),
        **contract.model_json_schema(mode="validation"),
    }


def schemas() -> dict[str, dict[str, Any]]:
    """Every contract's name and schema."""
    told = {contract.name: schema(contract) for contract in (*EVENTS, *OUTWARD)}
    return told | {contract.name: handed_schema(contract) for contract in HANDED.values()}


def _first(doc: str | None) -> str:
    return " ".join((doc or "").strip().split("\n\n")[0].split())


def _type(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return str(field["$ref"].rsplit("/", 1)[1])
    if "anyOf" in field:
        return " or ".join(_type(one) for one in field["anyOf"])
    if "enum" in field:
        return " \\| ".join(f"`{one}`" for one in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}))}"
    return str(field.get("format") or field.get("type") or "any")


def _fields(told: dict[str, Any]) -> list[str]:
    required = set(told.get("required", []))
    rows = ["| field | type | required |", "|---|---|---|"]
    for name, field in told.get("properties", {}).items():
        rows.append(f"| `{name}` | {_type(field)} | {'yes' if name in required else ''} |")
    return rows


def _about(contract: type[Event], services: list[Service]) -> list[str]:
    readers = [durable_of(s.name, contract) for s in services if contract in s.reacts_to]
    tellers = [s.name for s in services if contract in (*s.announces, *s.also_tells)]
    return [
        f"### `{contract.name}`",
        "",
        _first(contract.__doc__),
        "",
        f"Told by {tellers[0] if tellers else 'nobody yet'}; "
        f"read by {', '.join(f'`{one}`' for one in readers) or 'nobody of the platform'}.",
        "",
        *_fields(schema(contract)),
        "",
    ]


def events_md(services: list[Service]) -> str:
    """docs/events.md: the list of record."""
    lines = [
        "# Events",
        "",
        "Written by `make docs` from `shared/contracts/` and the services' cards; do not edit.",
        "",
        "Every event is a CloudEvent 1.0 in binary mode: attributes as `ce-` headers, values "
        "percent-encoded, the fields below as a JSON body, `Nats-Msg-Id` = `ce-id`. Whole state "
        "and a `revision`: readers keep the highest, so the order of arrival does not matter. "
        + ("All are **draft** until the contracts freeze." if DRAFT else ""),
        "",
        "Subjects: `events.<service>.<event-name>.v<major>.<region>`; a company hands in on "
        "`intake.<organisation>.<event-name>`, hears on `receipts.<organisation>.>` and "
        "`matches.<organisation>.>`.",
        "",
        "## Between the services",
        "",
    ]
    for contract in EVENTS:
        lines += _about(contract, services)
    lines += ["## To one organisation", ""]
    for contract in OUTWARD:
        lines += _about(contract, services)
    lines += ["## At the door", "", "What companies hand in, over NATS or `POST /intake`.", ""]
    for handed in HANDED.values():
        lines += [f"### `{handed.name}`", "", _first(handed.__doc__), ""]
        lines += [*_fields(handed_schema(handed)), ""]
    return "\n".join(lines).rstrip() + "\n"


def _message(name: str, told: dict[str, Any], doc: str) -> dict[str, Any]:
    told = {key: value for key, value in told.items() if key not in ("$schema", "$id")}
    return {
        "name": name,
        "title": name,
        "summary": doc,
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "required": ["ce-specversion", "ce-id", "ce-source", "ce-type"],
            "properties": {
                "ce-specversion": {"type": "string", "const": "1.0"},
                "ce-id": {"type": "string"},
                "ce-source": {"type": "string"},
                "ce-type": {"type": "string", "const": name},
                "ce-time": {"type": "string", "format": "date-time"},
                "ce-correlationid": {"type": "string"},
            },
        },
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-07",
            "schema": _draft_07(told),
        },
    }


def _draft_07(told: Any) -> Any:
    """The same schema with `definitions` where draft 2020-12 says `$defs`."""
    if isinstance(told, dict):
        return {
            ("definitions" if key == "$defs" else key): (
                value.replace("#/$defs/", "#/definitions/")
                if key == "$ref" and isinstance(value, str)
                else _draft_07(value)
            )
            for key, value in told.items()
        }
    if isinstance(told, list):
        return [_draft_07(one) for one in told]
    return told


def _inlined(told: dict[str, Any]) -> dict[str, Any]:
    """*told* with every reference to its own definitions put in place: none of ours recurses."""
    known = told.get("$defs", {})

    def put(value: Any) -> Any:
        if isinstance(value, dict):
            if "$ref" in value:
                return put(known[value["$ref"].rsplit("/", 1)[1]])
            return {key: put(one) for key, one in value.items() if key != "$defs"}
        if isinstance(value, list):
            return [put(one) for one in value]
        return value

    found: dict[str, Any] = put(told)
    return found


def asyncapi(services: list[Service]) -> dict[str, Any]:
    """The AsyncAPI 3.0 document: channels, messages, who sends and who receives."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}

    def channel(
        key: str, address: str, message: dict[str, Any], parameters: dict[str, str]
    ) -> None:
        channels[key] = {
            "address": address,
            "messages": {key: message},
            "parameters": {name: {"description": doc} for name, doc in parameters.items()},
        }

    region = {"region": "code of the region, such as 01 (Uusimaa)"}
    organisation = {"organisation": "the organisation's token"}
    for contract in EVENTS:
        key = contract.name.replace(".", "_").replace("-", "_")
        message = _message(contract.name, _inlined(schema(contract)), _first(contract.__doc__))
        channel(key, f"events.{contract.name}.{{region}}", message, region)
        for service in services:
            if contract in service.announces:
                operations[f"{service.name}_tells_{key}"] = _operation("send", key)
            if contract in service.reacts_to:
                operations[f"{service.name}_reads_{key}"] = _operation("receive", key)
    for contract in OUTWARD:
        key = contract.name.replace(".", "_").replace("-", "_")
        message = _message(contract.name, _inlined(schema(contract)), _first(contract.__doc__))
        if contract.stream() == "receipts":
            address = "receipts.{organisation}.{verdict}.{event}"
            more = {"verdict": "accepted or rejected", "event": "name of the event handed in"}
        else:
            address, more = f"matches.{{organisation}}.{contract.event_name()}", {}
        channel(key, address, message, organisation | more)
        operations[f"{contract.owner()}_tells_{key}"] = _operation("send", key)
    for handed in HANDED.values():
        key = handed.name.replace(".", "_").replace("-", "_")
        message = _message(handed.name, _inlined(handed_schema(handed)), _first(handed.__doc__))
        channel(key, f"intake.{{organisation}}.{handed.event_name()}", message, organisation)
        operations[f"registry_takes_in_{key}"] = _operation("receive", key)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Massakoppi",
            "version": "1.0.0",
            "description": "Soil and rock masses of a region: forecasts in, matches out.",
            "license": {"name": "EUPL-1.2"},
        },
        "defaultContentType": "application/json",
        "servers": {"nats": {"host": "localhost:4222", "protocol": "nats"}},
        "channels": channels,
        "operations": operations,
    }


def _operation(action: str, key: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{key}"},
        "messages": [{"$ref": f"#/channels/{key}/messages/{key}"}],
    }


def everything() -> dict[Path, str]:
    """Each generated file with its content."""
    services = cards()
    told = {
        SCHEMAS / f"{name}.json": json.dumps(one, indent=1, ensure_ascii=False) + "\n"
        for name, one in schemas().items()
    }
    told[ROOT / "docs" / "events.md"] = events_md(services)
    told[ROOT / "docs" / "codes.md"] = codes_md()
    told[ROOT / "docs" / "asyncapi.json"] = (
        json.dumps(asyncapi(services), indent=1, ensure_ascii=False) + "\n"
    )
    for service in services:
        if service.api is not None and service.name != "portal":  # its pages are for people
            path = ROOT / "docs" / "openapi" / f"{service.name}.json"
            told[path] = json.dumps(openapi(service), indent=1, ensure_ascii=False) + "\n"
    return told


def openapi(service: Service) -> dict[str, Any]:
    """The OpenAPI 3.1 document of *service*, as it serves it itself."""
    app = application(
        name=service.name, router=service.api, database=None, public_key=None, health=_Unasked()
    )
    told: dict[str, Any] = app.openapi()
    return told


class _Unasked:
    """The health of a service that does not run."""

    async def problems(self) -> Sequence[str]:
        return ["not running"]


def committed(name: str) -> dict[str, Any] | None:
    """The schema of contract *name* as it was last written, if it was."""
    path = SCHEMAS / f"{name}.json"
    if not path.exists():
        return None
    told: dict[str, Any] = json.loads(path.read_text())
    return told


def broken_contracts() -> list[str]:
    """What to do about each published contract whose readers a change would break."""
    now = schemas()
    told = []
    for path in sorted(SCHEMAS.glob("*.json")):
        if path.stem not in now:
            before = json.loads(path.read_text())
            told += leaves_too_early(path.stem, before, datetime.now(UTC).date())
    for name, after in now.items():
        before = committed(name)
        if before is None or before.get("x-status") == "draft":
            continue
        if breaks(before, after):
            told.append(advice(name, before, after, draft=False))
    return told


def main() -> None:
    """Write them, or with --check say which are not as they should be."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit 1 if any differs"
    )
    check = parser.parse_args().check
    if broken := broken_contracts():
        sys.exit("\n".join(broken))
    stale = []
    for path, content in everything().items():
        if path.exists() and path.read_text() == content:
            continue
        stale.append(str(path.relative_to(ROOT)))
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
    if check and stale:
        sys.exit(f"not as generated: {', '.join(stale)}; run `make docs`")
    sys.stdout.write(f"{'as generated' if check else 'written'}: {len(stale)} changed\n")


if __name__ == "__main__":
    main()
