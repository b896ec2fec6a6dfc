"""Weighed loads come in from a folder and by post, and are counted once."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import aiohttp

from deploy.allinone import Platform
from deploy.connectors import connect, read_config
from deploy.servers import free_port
from services.registry.domain import canonical_id
from tests.conftest import eventually
from tests.connectors.sources import config_file, running
from tests.platform import Company, a_forecast, a_project, company

KEY = "an invented key of the scales"
PLACE = {"region": "01", "municipality": "049"}
MAPPING = {
    "file": {"decimal": ",", "dates": ["d.m.yyyy", "yyyy-mm-dd"]},
    "cancelled": {"Tila": "mitätöity"},
    "fields": {
        "external_id": {"column": "Kuorma"},
        "external_revision": {"column": "Muutos"},
        "forecast": {"column": "Erä"},
        "match_id": {"column": "Sopimus"},
        "outlet": "need_direct",
        "material": {"column": "Laji", "table": {"moreeni": "till"}},
        "quantity": {"column": "Netto"},
        "measure": {"column": "Yksikkö", "empty": "kg"},
        "moved_on": {"column": "Pvm"},
        "waybill": {"column": "Siirtoasiakirja"},
    },
}
HEADER = "Kuorma;Muutos;Erä;Sopimus;Laji;Netto;Yksikkö;Pvm;Siirtoasiakirja;Tila\n"


def file_of(folder: Path, who: Company, **told: Any) -> Path:
    (folder / "in").mkdir(exist_ok=True)
    return config_file(
        folder,
        "loads",
        who,
        mapping=MAPPING,
        **{"drop": "in", "quiet_s": 0, "every_s": 0.1, **told},
    )


async def hauler(platform: Platform, token: str) -> Company:
    """A company with a forecast `s` to haul from."""
    who = await company(platform, token)
    await who.hand_in(a_project("p", **PLACE), a_forecast("s", "p"))
    return who


async def tonnes(who: Company, **wanted: float) -> dict[str, Any]:
    """The loads that count, once they are as *wanted*; the load `K_1` is `K-1`."""
    ids = {
        str(canonical_id(who.token, "delivery", name.replace("_", "-"))): name.replace("_", "-")
        for name in wanted
    }

    async def there() -> Any:
        _, told = await who.ask("matcher", "GET", "/deliveries", limit=200)
        known = {ids.get(one["delivery_id"], one["delivery_id"]): one for one in told["items"]}
        held = {id.replace("-", "_"): one["tonnes"] for id, one in known.items()}
        return known if held == wanted else None

    found: dict[str, Any] = await eventually(there, within_s=30)
    return found


async def test_a_folder_of_files(platform: Platform, tmp_path: Path) -> None:
    """Kilograms and tonnes, a correction, a cancellation; a file put back changes nothing."""
    who = await hauler(platform, "vaaka-a")
    file = file_of(tmp_path, who)
    first = HEADER + (
        "K-1;1;s;;moreeni;12 340;;3.2.2027;SA-77;\n"
        "K-2;1;s;;moreeni;20,5;t;3.2.2027;SA-78;\n"
        "K-3;1;s;;moreeni;9000;kg;3.2.2027;;\n"
    )
    (tmp_path / "in" / "a.csv").write_text(first, "utf-8")
    await connect(read_config("loads", file), once=True)
    known = await tonnes(who, K_1=12.34, K_2=20.5, K_3=9.0)
    assert known["K-1"]["waybill"] == "SA-77"

    second = HEADER + "K-1;2;s;;moreeni;12 000;;3.2.2027;SA-77;\nK-3;2;;;;;;;;mitätöity\n"
    (tmp_path / "in" / "b.csv").write_text(second, "cp1252")
    await connect(read_config("loads", file), once=True)
    await tonnes(who, K_1=12.0, K_2=20.5, K_3=0.0)

    (tmp_path / "in" / "a again.csv").write_text(first, "utf-8")
    (tmp_path / "in" / "older.csv").write_text(first + "\n", "utf-8")
    state = await connect(read_config("loads", file), once=True)
    await tonnes(who, K_1=12.0, K_2=20.5, K_3=0.0)

    assert state["counts"]["files_known"] == 1
    assert len(list((tmp_path / "in" / "done").iterdir())) == 4


async def test_what_is_wrong_is_told_back_beside_the_file(
    platform: Platform, tmp_path: Path
) -> None:
    """A material, a date, a forecast nobody told, a load never told; the good rows are counted."""
    who = await hauler(platform, "vaaka-b")
    file = file_of(tmp_path, who, door="https")
    rows = (
        "K-1;;s;;moreeni;1000;;3.2.2027;;\n"
        "K-2;;s;;kulta;1000;;3.2.2027;;\n"
        "K-3;;s;;moreeni;1000;;eilen;;\n"
        "K-4;;tuntematon;;moreeni;1000;;3.2.2027;;\n"
        "K-5;;;;;;;;;mitätöity\n"
    )
    (tmp_path / "in" / "a.csv").write_text(HEADER + rows, "utf-8")
    (tmp_path / "in" / "b.csv").write_text("not;our;columns\n1;2;3\n", "utf-8")
    state = await connect(read_config("loads", file), once=True)
    await tonnes(who, K_1=1.0)

    told = (tmp_path / "in" / "refused" / "a.errors.csv").read_text("utf-8").splitlines()[1:]
    assert [line.split(",")[0:2] for line in told] == [
        ["3", "K-2"], ["4", "K-3"], ["5", "K-4"], ["6", "K-5"],
    ]  # fmt: skip
    for line, code in zip(
        told, ("code_unknown", "not_a_date", "forecast_unknown", "load_unknown"), strict=True
    ):
        assert code in line
    assert "columns_missing" in (tmp_path / "in" / "refused" / "b.errors.csv").read_text("utf-8")
    assert state["refused"] == 4


async def test_loads_by_post(platform: Platform, tmp_path: Path) -> None:
    """With the key only; each answered; sent twice at once it is one; a match must be known."""
    who = await hauler(platform, "vaaka-c")
    (tmp_path / "key").write_text(KEY)
    url = f"http://127.0.0.1:{(port := free_port())}"
    file = file_of(
        tmp_path, who, drop=None, key_file="key", listen=f"127.0.0.1:{port}",
        matcher_url=platform.system.urls["matcher"],
    )  # fmt: skip
    load = {"Kuorma": "K-1", "Erä": "s", "Laji": "moreeni", "Netto": 1500, "Pvm": "2027-02-03"}
    nobody = "00000000-0000-7000-8000-000000000000"
    async with running("loads", file), aiohttp.ClientSession() as session:

        async def post(body: Any, key: str = KEY) -> tuple[int, Any]:
            headers = {"Authorization": f"Bearer {key}"}
            async with session.post(f"{url}/loads", json=body, headers=headers) as answer:
                return answer.status, await answer.json(content_type=None)

        async def ready() -> bool:
            try:
                async with session.get(f"{url}/readyz") as answer:
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

        await eventually(ready, within_s=40)
        assert (await post(load, key="another key of the scales"))[0] == 401
        both = await asyncio.gather(post(load), post(load))
        assert [status for status, _ in both] == [200, 200]
        status, told = await post([load, {**load, "Kuorma": "K-2", "Netto": 900}, [], 7])
        assert status == 200
        assert [one["verdict"] for one in told["items"]] == [
            "accepted", "accepted", "rejected", "rejected",
        ]  # fmt: skip
        status, told = await post({**load, "Kuorma": "K-3", "Sopimus": nobody})
        assert (status, told["code"]) == (422, "match_unknown")
        status, told = await post({**load, "Kuorma": "K-4", "Erä": "tuntematon"})
        assert (status, told["reasons"][0]["code"]) == (422, "forecast_unknown")
        await who.hand_in(a_forecast("tuntematon", "p"))
        assert (await post({**load, "Kuorma": "K-4", "Erä": "tuntematon"}))[0] == 200
        assert (await post({"Kuorma": "K-2", "Tila": "mitätöity"}))[0] == 200
        async with session.post(
            f"{url}/loads", data=b"{\xff", headers={"Authorization": f"Bearer {KEY}"}
        ) as answer:
            assert answer.status == 400
        await tonnes(who, K_1=1.5, K_2=0.0, K_4=1.5)


async def test_killed_while_it_reads_a_file(platform: Platform, tmp_path: Path) -> None:
    """Killed five times in the middle of 150 loads: each is counted once."""
    who = await hauler(platform, "vaaka-d")
    file = file_of(tmp_path, who)
    rows = "".join(f"K{at};;s;;moreeni;{1000 + at};;3.2.2027;SA-{at};\n" for at in range(150))
    (tmp_path / "in" / "a.csv").write_text(HEADER + rows, "utf-8")
    for turn in range(5):
        async with running("loads", file) as connector:

            async def begun() -> bool:
                return (tmp_path / "cursor.sqlite").exists()

            await eventually(begun, within_s=30)
            await asyncio.sleep(0.3 + 0.1 * turn)
            await connector.stop(signal.SIGKILL)
    async with running("loads", file):
        await tonnes(who, **{f"K{at}": round(1 + at / 1000, 6) for at in range(150)})
