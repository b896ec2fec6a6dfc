"""The cards, the folders, the image and compose.yaml speak of the same five services."""

import ipaddress
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.cards import cards, settings_kind
from deploy.keyring import INTAKE_SERVICES, SERVICES
from deploy.provision import retention_holds

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"]
SERVED = {
    name: container
    for name, container in CONTAINERS.items()
    if container.get("command", [""])[0] == "serve"
}
OF_THE_DRIVER = {"PGPASSFILE"}  # read by asyncpg itself
OF_THE_COMMANDS = {
    "NATS_URL", "POSTGRES_URL", "MASSAKOPPI_DATA", "MASSAKOPPI_KEYS",
    *(f"{name.upper()}_URL" for name in SERVICES),
}  # fmt: skip

every_container = pytest.mark.parametrize("name", sorted(CONTAINERS))
every_served = pytest.mark.parametrize("name", sorted(SERVED))


def seconds(told: str) -> int:
    """`60s`, `2m` as seconds."""
    number, unit = re.fullmatch(r"(\d+)([sm])", told).groups()  # type: ignore[union-attr]
    return int(number) * {"s": 1, "m": 60}[unit]


def test_cards_folders_keys_and_compose_name_the_same_services() -> None:
    """A service is added or taken away in all of them at once."""
    folders = {path.parent.name for path in (ROOT / "services").glob("*/app.py")}

    named = {service.name for service in cards()}
    assert folders == named == set(SERVICES) == set(SERVED)
    assert {name: one["command"] for name, one in SERVED.items()} == {
        name: ["serve", name] for name in SERVICES
    }


@every_served
def test_what_a_container_is_told_is_a_setting(name: str) -> None:
    """A variable that no setting reads is a misspelt one."""
    known = {field.upper() for field in settings_kind(name).model_fields}

    assert set(SERVED[name]["environment"]) <= known | OF_THE_DRIVER


def test_what_the_commands_are_told_is_read_by_them() -> None:
    """Commands find the system by addresses alone."""
    assert set(CONTAINERS["provision"]["environment"]) <= OF_THE_COMMANDS | OF_THE_DRIVER


@every_served
def test_a_service_is_given_its_own_keys_only(name: str) -> None:
    """A service speaks to NATS and to the registry under its own name."""
    told = SERVED[name]["environment"]

    assert told["NATS_SEED_FILE"].endswith(f"/{name}.nk")
    assert told["SERVICE_KEY_FILE"].endswith(f"/{name}.key")
    assert ("NATS_INTAKE_SEED_FILE" in told) == (name in INTAKE_SERVICES)


@every_container
def test_a_container_can_do_little(name: str) -> None:
    """No rights beyond its work: nothing to write but its volumes, no new privileges."""
    container = CONTAINERS[name]

    assert container["cap_drop"] == ["ALL"]
    assert container["read_only"] is True
    assert "no-new-privileges:true" in container["security_opt"]
    assert "privileged" not in container


def test_only_the_portal_and_the_registry_are_reached_from_this_machine() -> None:
    """Ports are published on loopback alone; whoever wants more puts TLS in front."""
    published = {name: one["ports"] for name, one in CONTAINERS.items() if "ports" in one}

    assert set(published) == {"portal", "registry"}
    for port in (port for ports in published.values() for port in ports):
        assert ipaddress.ip_address(port.split(":")[0]).is_loopback


@every_served
def test_a_service_has_time_to_stop_and_says_when_it_is_ready(name: str) -> None:
    """The container's grace is longer than the service's own, twice: reading, then working."""
    container = SERVED[name]

    own = settings_kind(name).model_fields["stop_grace_s"].default
    assert seconds(container["stop_grace_period"]) > 2 * own
    assert "/readyz" in " ".join(container["healthcheck"]["test"])


@pytest.mark.parametrize("name", sorted(set(SERVED) - {"portal", "registry"}))
def test_a_service_scales_by_a_number(name: str) -> None:
    """`--scale matcher=4`: no name and no port that only one container can have."""
    assert not {"container_name", "ports", "hostname"} & set(SERVED[name])


def test_the_image_runs_as_nobody_in_particular() -> None:
    """The last user of the image is not root, and NATS runs as that user, whose keys they are."""
    image = (ROOT / "deploy" / "Dockerfile").read_text()

    assert re.findall(r"^USER (\w+)", image, re.MULTILINE)[-1] == "massakoppi"
    uid = re.findall(r"--uid (\d+)", image)[0]
    assert CONTAINERS["nats"]["user"] == f"{uid}:{uid}"
    assert "--require-hashes" in image


def test_postgresql_is_told_the_same_in_every_mode() -> None:
    """The matcher locks many cells at once: the server's default has no room for them."""
    source = (ROOT / "deploy" / "servers.py").read_text()
    command = CONTAINERS["postgres"]["command"]

    told = {word.split("=")[0]: word.split("=")[1] for word in command if "=" in word}

    assert told
    for name, value in told.items():
        assert f'"{name}": {value},' in source


def test_an_inbox_outlives_the_streams() -> None:
    """Else a replay would apply events twice."""
    assert retention_holds()


def test_docker_compose_reads_the_file() -> None:
    """`docker-compose config`, which needs no engine."""
    if shutil.which("docker-compose") is None:
        pytest.skip("docker-compose is not installed")

    command = ["docker-compose", "-f", "compose.yaml", "config", "--quiet"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert found.returncode == 0, found.stderr
