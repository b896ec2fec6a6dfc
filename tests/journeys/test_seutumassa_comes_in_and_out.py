"""A register's rows come in as GeoJSON, and go out again as they came, over a running platform."""

import json
from pathlib import Path
from typing import Any

from deploy.allinone import Platform
from deploy.exporting import export_file
from deploy.importing import import_file
from shared.client.crs import from_degrees
from tests.platform import company

ROW = {
    "maamassakohde_id": "S7", "kunta": "091", "nimi": "Kuoppa", "kohdetyyppi": "työmaa",
    "vaihe": "rakentaminen", "maamassatieto_id": "S71", "maamassan_tila": "ylijäämä/kaivettava",
    "maamassan_laji": "soramoreeni", "amount_remaining": 12500, "amount_unit": "m3",
    "varattu": True, "planned_begin_date": "2031-06-01", "planned_end_date": "2031-08-31",
    "kelpoisuusluokka": "h2", "pilaantuneisuus": "pilaantumaton maa", "tiedon_luotettavuus": "B",
}  # fmt: skip


async def test_a_register_comes_in_as_geojson_and_goes_out_as_it_was(
    platform: Platform, tmp_path: Path
) -> None:
    """Whole: place, phase, grade and reservation; what one organisation sees, it can take along."""
    await company(platform, "rekisteri")
    x, y = from_degrees(24.9529, 60.1682, 3879)
    file = tmp_path / "rows.geojson"
    geometry = {"type": "Point", "coordinates": [round(x, 3), round(y, 3)]}
    crs = {"type": "name", "properties": {"name": "EPSG:3879"}}
    feature = {"type": "Feature", "geometry": geometry, "properties": ROW}
    file.write_text(
        json.dumps({"type": "FeatureCollection", "crs": crs, "features": [feature]}), "utf-8"
    )

    async def brought_in(path: Path) -> Any:
        return await import_file(
            platform.system, path, "seutumassa-full", organisation="rekisteri", region="01",
            sheet=None, dry_run=False, only_good=False, progress=lambda _done, _total: None,
        )  # fmt: skip

    done = await brought_in(file)
    assert not done.refused()
    assert done.outcome.accepted == 2

    out = tmp_path / "out.geojson"
    told = await export_file(
        platform.system, out, "seutumassa-geojson", organisation="rekisteri", region="01"
    )
    assert (told.rows, told.losses) == (1, [])
    (back,) = json.loads(out.read_text("utf-8"))["features"]
    assert back["geometry"] == geometry
    text = {
        name: str(value).lower() if value is True else str(value) for name, value in ROW.items()
    }
    assert {name: back["properties"][name] for name in ROW} == text

    again = await brought_in(out)
    assert not again.refused()
    plain = tmp_path / "ours.geojson"
    ours = await export_file(
        platform.system, plain, "geojson", organisation="rekisteri", region="01"
    )
    assert ours.rows == 1
    (feature,) = json.loads(plain.read_text("utf-8"))["features"]
    assert feature["properties"]["material_subtype"] == "gravelly_till"
