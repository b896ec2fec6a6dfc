"""Every default in one list, and what an installation may set instead."""

import json
import os
import subprocess
import sys

import pytest

from shared.vocabulary.defaults import defaults, of_tag

TOLD = """
import json
from shared.vocabulary.defaults import defaults
from shared.vocabulary.factors import FACTORS, FACTORS_VERSION, counterfactual, vehicle
from shared.vocabulary.units import to_tonnes
weight = to_tonnes(100, "m3ktr", "clay", reliability="A")
print(json.dumps({
    "clay": [weight.likely, weight.tag, weight.factor_version, weight.low],
    "fee": [FACTORS["gate_clean_clay"].value, FACTORS["gate_clean_clay"].tag, FACTORS_VERSION],
    "cf": [counterfactual("clay", "P0").quarry_km, counterfactual("clay", "P0").version],
    "truck": vehicle().co2e_kg_per_tkm,
    "set": sorted(one.id for one in defaults() if one.tag == "set_here"),
}))
"""


def run(tmp_path, told):
    """A process that starts with *told* in its factors file."""
    file = tmp_path / "factors.json"
    file.write_text(told if isinstance(told, str) else json.dumps(told), "utf-8")
    environment = {**os.environ, "MASSAKOPPI_FACTORS_FILE": str(file)}
    return subprocess.run([sys.executable, "-c", TOLD], env=environment, capture_output=True,
                          text=True, check=False)  # fmt: skip


def test_every_default_says_where_it_comes_from():
    """Ids are unique; what is unverified has a confidence; bounds hold the value."""
    ids = [one.id for one in defaults()]
    assert len(ids) == len(set(ids))
    for one in defaults():
        assert one.source
        assert one.version
        if one.value is not None and one.low is not None and one.high is not None:
            assert one.low <= one.value <= one.high, one
        if one.tag == "unverified" and one.value is not None:
            assert one.confidence in ("high", "medium", "low"), one
    assert {one.tag for one in of_tag(["unverified"])} == {"unverified"}


@pytest.mark.parametrize(
    "id",
    ["gate_clean_clay", "clay.t_per_m3ktr", "truck_4ax.co2e_kg_per_tkm", "CF-1.reception_km",
     "reliability.A", "pima.As.threshold", "mara.betonimurske.vayla.max_layer",
     "storage.recovery", "acid_sulphate.nag_ph_below", "same_place_km"],
)  # fmt: skip
def test_the_list_holds_each_sort_of_default(id):
    """Prices, weights, vehicles, the counterfactual, the law and screening."""
    assert id in {one.id for one in defaults()}


def test_what_is_set_here_is_used_tagged_and_marked_in_the_version(tmp_path):
    """A price, a weight, a vehicle, a distance and a reliability, each from one file."""
    done = run(tmp_path, {"gate_clean_clay": 12.5, "clay.t_per_m3ktr": 1.9, "reliability.A": 5,
                          "CF-1.quarry_km": 30, "truck_4ax.co2e_kg_per_tkm": 0.1})  # fmt: skip
    told = json.loads(done.stdout)
    assert told["clay"][:2] == [190.0, "set_here"]
    assert told["fee"][:2] == [12.5, "set_here"]
    assert told["cf"][0] == 30
    assert told["truck"] == 0.1
    marks = {version.split("+")[1] for version in
             (told["clay"][2], told["fee"][2], told["cf"][1])}  # fmt: skip
    assert len(marks) == 1
    assert told["set"] == ["CF-1.quarry_km", "clay.t_per_m3ktr", "gate_clean_clay",
                           "reliability.A", "truck_4ax.co2e_kg_per_tkm"]  # fmt: skip


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"gate_clean_cley": 1}, "Did you mean gate_clean_clay"),
        ({"crushed_rock.t_per_m3ktr": 2}, "lists the ids"),
        ({"pima.As.threshold": 20}, "lists the ids"),
        ({"gate_clean_clay": "12,5"}, "Give a number"),
        ({"clay.t_per_m3ktr": -1}, "cannot be negative"),
        ({"clay.t_per_m3itd": 0}, "more than 0"),
        ("[1]", "Write one object"),
        ("{", "Give a file of JSON"),
    ],
)
def test_a_factors_file_that_cannot_be_used_stops_the_start(tmp_path, told, says):
    """With the id, the value and the remedy; a product never gets a weight in place."""
    done = run(tmp_path, told)
    assert done.returncode != 0
    assert says in done.stderr


def test_the_command_lists_the_defaults(tmp_path):
    """As JSON for programs, by tag and text; a bad file is told in one line."""
    command = [sys.executable, "-m", "deploy.cli", "defaults", "--find", "gate_rock", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (rock,) = json.loads(done.stdout)
    assert (rock["id"], rock["value"], rock["tag"]) == ("gate_rock", -2.0, "unverified")

    file = tmp_path / "factors.json"
    file.write_text('{"gate_rokc": 1}', "utf-8")
    environment = {**os.environ, "MASSAKOPPI_FACTORS_FILE": str(file)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "gate_rock" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_price_may_be_set_below_zero(tmp_path):
    """Rock is taken against payment."""
    assert json.loads(run(tmp_path, {"gate_rock": -4}).stdout)["set"] == ["gate_rock"]
