"""The server's configuration: who may say and hear what, derived from the cards."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from deploy.keyring import INTAKE_SERVICES, Keyring
from shared.service import Service, durable_of

PUBLISH_INTAKE = {"registry": ["receipts.>"], "matcher": ["matches.>"]}


def _words(words: Iterable[str]) -> str:
    return json.dumps(list(words))


def _user(name: str, key: str, publish: Sequence[str], subscribe: Sequence[str]) -> str:
    return (
        f"    # {name}\n"
        f"    {{ nkey: {key}, permissions: {{\n"
        f"        publish: {{ allow: {_words(publish)} }}\n"
        f"        subscribe: {{ allow: {_words(subscribe)} }} }} }}\n"
    )


def platform_rights(service: Service) -> tuple[list[str], list[str]]:
    """What *service* may publish and subscribe in PLATFORM: its own facts, its own durables."""
    publish = [f"events.{service.name}.>", f"signals.{service.name}.>", "$JS.ACK.>"]
    for contract in service.reacts_to:
        durable = durable_of(service.name, contract)
        publish += [
            f"$JS.API.CONSUMER.INFO.{contract.stream()}.{durable}",
            f"$JS.API.CONSUMER.MSG.NEXT.{contract.stream()}.{durable}",
        ]
    subscribe = [f"_INBOX_{service.name}.>"]
    if service.listens is not None:
        subscribe.append("signals.>")
    return publish, subscribe


def intake_rights(service: str) -> tuple[list[str], list[str]]:
    """What *service* may do in the companies' account."""
    publish = [*PUBLISH_INTAKE[service]]
    if service == "registry":
        publish += [
            "$JS.ACK.>",
            "$JS.API.CONSUMER.INFO.*.*",
            "$JS.API.CONSUMER.MSG.NEXT.*.*",
        ]
    return publish, [f"_INBOX_{service}-intake.>"]


def organisation_rights(organisation: str) -> tuple[list[str], list[str]]:
    """Exactly its own: hand in, hear its receipts and its matches."""
    return [f"intake.{organisation}.>"], [
        f"receipts.{organisation}.>",
        f"matches.{organisation}.>",
    ]


def organisations_conf(keys: Mapping[str, Sequence[str]], ring: Keyring) -> str:
    """
    The users of INTAKE as a file to include: the platform's two, and every company key.

    *keys*: organisation → public keys in force.
    """
    users = [_user("operator", ring.nats_public("intake-admin"), [">"], [">"])]
    for service in INTAKE_SERVICES:
        users.append(_user(service, ring.nats_public(f"{service}-intake"), *intake_rights(service)))
    for organisation in sorted(keys):
        for key in sorted(keys[organisation]):
            users.append(_user(organisation, key, *organisation_rights(organisation)))
    return "users: [\n" + "".join(users) + "]\n"


def nats_conf(
    services: Sequence[Service],
    ring: Keyring,
    *,
    store: Path | str,
    host: str = "127.0.0.1",
    port: int = 4222,
    monitor: int | None = None,
) -> str:
    """The server's whole configuration; the companies' users stand in `organisations.conf`."""
    platform = "".join(
        _user(service.name, ring.nats_public(service.name), *platform_rights(service))
        for service in services
    )
    return f"""# written by `massakoppi provision`; changes here are lost
server_name: massakoppi
listen: "{host}:{port}"
{f'http: "127.0.0.1:{monitor}"' if monitor else ""}
max_payload: 1MB
lame_duck_duration: 30s
lame_duck_grace_period: 2s

jetstream {{
  store_dir: "{store}"
  # an acknowledged event is on the disk
  sync_interval: always
  max_file_store: 100GB
  max_memory_store: 64MB
}}

system_account: SYS
accounts {{
  SYS {{ users: [
    # reload after a change of organisations, nothing else
    {{ nkey: {ring.nats_public("system")}, permissions: {{
        publish: {{ allow: ["$SYS.REQ.SERVER.*.RELOAD", "$SYS.REQ.SERVER.PING",
                            "$SYS.REQ.SERVER.*.VARZ", "$SYS.REQ.SERVER.PING.VARZ"] }}
        subscribe: {{ allow: ["_INBOX_system.>"] }} }} }}
  ] }}
  PLATFORM {{
    jetstream {{ max_file: 30GB, max_memory: 0 }}
    users: [
    # operator: makes streams and durables
    {{ nkey: {ring.nats_public("admin")} }}
{platform}  ] }}
  # companies, apart: no reply subject of theirs reaches events.>
  INTAKE {{
    jetstream {{ max_file: 64GB, max_memory: 0 }}
    include "organisations.conf"
  }}
}}
"""
