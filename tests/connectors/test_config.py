"""A connector's file is checked whole, and says what to write instead."""

from pathlib import Path

import pytest
import yaml

from deploy.connectors.config import BadConfig, read_config
from deploy.connectors.loads import Loads
from deploy.connectors.running import connector_of

GOOD = {
    "organisation": "kaupunki",
    "credentials": "kaupunki.json",
    "cursor": "memory/works.sqlite",
    "source": "street-works:kaupunki",
    "url": "https://works.example/list",
    "projects": {"fields": {"id": "id"}, "region": "01", "municipality": "049"},
}
LOADS = {
    "organisation": "kuljetus",
    "credentials": "kuljetus.json",
    "cursor": "loads.sqlite",
    "source": "loads:kuljetus",
    "drop": "in",
    "mapping": {
        "fields": {
            "external_id": {"column": "Nro"},
            "forecast": {"column": "Erä"},
            "outlet": "need_direct",
            "material": "till",
            "quantity": {"column": "Netto"},
            "moved_on": {"column": "Pvm"},
        }
    },
}


def written(folder: Path, told: object) -> Path:
    file = folder / "connector.yaml"
    file.write_text(yaml.safe_dump(told), "utf-8")
    return file


def test_paths_are_beside_the_file(tmp_path: Path) -> None:
    """So that it can be run from anywhere."""
    config = read_config("street-works", written(tmp_path, GOOD))

    assert config.cursor == tmp_path / "memory" / "works.sqlite"
    assert config.credentials == tmp_path / "kaupunki.json"


def test_every_fault_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    """A misspelt word, a missing one, a value that cannot be, a phase that does not exist."""
    projects = {**GOOD["projects"], "phases": {"x": "dreaming"}}  # type: ignore[dict-item]
    told = {**GOOD, "projects": projects, "url": "works.example", "missed_poll": 3}
    del told["organisation"]

    with pytest.raises(BadConfig) as refused:
        read_config("street-works", written(tmp_path, told))

    for part in ("organisation: say it", "missed_poll: not a word here", "url:", "'dreaming'"):
        assert part in str(refused.value)


def test_a_kind_that_there_is_not(tmp_path: Path) -> None:
    """The kinds are named."""
    with pytest.raises(BadConfig, match="programme, street-works, loads"):
        read_config("fax", written(tmp_path, GOOD))


def test_a_file_that_is_no_yaml(tmp_path: Path) -> None:
    """Also one in which a word stands twice."""
    file = tmp_path / "connector.yaml"
    file.write_text("organisation: a1\norganisation: b1\n")

    with pytest.raises(BadConfig, match="stands twice"):
        read_config("loads", file)


def test_loads_come_in_by_one_way_at_least(tmp_path: Path) -> None:
    """A folder, or a key with the place where loads are posted."""
    for change in ({"drop": None}, {"drop": None, "key_file": "key"}):
        with pytest.raises(BadConfig, match=r"drop or key_file|listen"):
            read_config("loads", written(tmp_path, {**LOADS, **change}))


def test_a_mapping_of_loads_is_checked_by_word(tmp_path: Path) -> None:
    """Words that are missing, unknown, or mean no code."""
    fields = {**LOADS["mapping"]["fields"], "material": "gold", "driver": "x"}  # type: ignore[index]
    del fields["quantity"]
    config = read_config("loads", written(tmp_path, {**LOADS, "mapping": {"fields": fields}}))

    with pytest.raises(BadConfig) as refused:
        connector_of(config)

    for part in ("fields.quantity: say it", "fields.driver: not a word here", "gold"):
        assert part in str(refused.value)


def test_a_good_mapping_is_taken(tmp_path: Path) -> None:
    """The example of the documents, as it stands there."""
    assert isinstance(connector_of(read_config("loads", written(tmp_path, LOADS))), Loads)
