"""Peer (c): a handler that scores every pair of a changed lot in SQL, one event at a time."""

import json
from collections.abc import Sequence
from typing import Any, Self

import asyncpg

from deploy.bench.peers.worth import Pair
from services.matcher.domain.cost import HAUL_CENTS_PER_TKM, disposal, purchase
from services.matcher.domain.fit import kinds_fit
from services.matcher.domain.values import Lot, Rules
from shared.vocabulary.distance import EARTH_RADIUS_KM, road_ratio

DATABASE = "bench_scored"
_STEP_KM = 0.5
_FARTHEST_KM = 60.0

# The gates of kinds are a table of pairs; place is a GiST index of points, one a direction, on lots
# with tonnes left only; distance, time, pace, worth and the choice are one statement; a change with
# all that follows from it is one call, one commit.
SCHEMA = f"""
CREATE TABLE lot (
    id uuid PRIMARY KEY, is_surplus boolean, kind int, likely bigint, left_t bigint,
    first date, last date, per_day float8, lat float8, lon float8, exact boolean,
    municipality text, project_id uuid, organisation text, hidden boolean, net boolean
) WITH (fillfactor = 70);
CREATE INDEX ix_surplus ON lot USING gist (point(lon, lat)) WHERE is_surplus AND left_t > 0;
CREATE INDEX ix_need ON lot USING gist (point(lon, lat)) WHERE NOT is_surplus AND left_t > 0;
CREATE TABLE fits (
    surplus_kind int, need_kind int, cents int, PRIMARY KEY (surplus_kind, need_kind)
);
CREATE TABLE ratio (step int PRIMARY KEY, ratio float8);
CREATE TABLE flow (
    surplus_id uuid, need_id uuid, tonnes bigint, cents int, PRIMARY KEY (surplus_id, need_id)
);
CREATE INDEX ix_flow_need ON flow (need_id);

CREATE FUNCTION road_km(lat1 float8, lon1 float8, lat2 float8, lon2 float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
    2 * {EARTH_RADIUS_KM} * asin(sqrt(least(1, power(sin(radians(lat2 - lat1) / 2), 2)
        + cos(radians(lat1)) * cos(radians(lat2)) * power(sin(radians(lon2 - lon1) / 2), 2))));

CREATE FUNCTION choose(chosen uuid, reach float8, blurred_km float8, span float8, across float8)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE me lot;
BEGIN
    SELECT * INTO me FROM lot WHERE id = chosen;
    IF me.left_t <= 0 THEN RETURN; END IF;
    WITH near AS (
        SELECT o.*, least(o.last, me.last) - greatest(o.first, me.first) + 1 AS days,
               f.cents AS base, o.project_id = me.project_id AS own,
               CASE WHEN NOT o.exact AND NOT me.exact AND o.municipality = me.municipality
                         AND o.project_id <> me.project_id THEN blurred_km
                    ELSE road_km(me.lat, me.lon, o.lat, o.lon) END AS straight
        FROM lot o JOIN fits f ON %(joined)s
        WHERE %(side)s AND o.left_t > 0
          AND point(o.lon, o.lat) <@ box(point(me.lon - across, me.lat - span),
                                         point(me.lon + across, me.lat + span))
          AND o.first <= me.last AND me.first <= o.last
          AND CASE WHEN o.project_id = me.project_id THEN NOT (o.net OR me.net)
                   ELSE o.organisation = me.organisation OR NOT (o.hidden OR me.hidden) END
    ), scored AS (
        SELECT n.id, n.own, n.left_t, km,
               floor(least(n.per_day, me.per_day) * n.days + 1e-9)::bigint AS most,
               n.base - round(km * {HAUL_CENTS_PER_TKM})::int AS cents
        FROM near n
        JOIN ratio r ON r.step = least(floor(n.straight / {_STEP_KM})::int,
                                       {int(_FARTHEST_KM / _STEP_KM)}),
        LATERAL (SELECT n.straight * r.ratio AS km) AS measured
    ), room AS (
        SELECT *, least(left_t, most) AS could FROM scored
        WHERE (own OR (km <= reach AND cents > 0)) AND most >= 1
    ), chosen_now AS (
        SELECT id, cents, least(could, me.left_t - coalesce(sum(could) OVER (
            ORDER BY own DESC, cents DESC, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ), 0))::bigint AS tonnes FROM room
    ), kept AS (
        INSERT INTO flow (surplus_id, need_id, tonnes, cents)
        SELECT CASE WHEN me.is_surplus THEN chosen ELSE id END,
               CASE WHEN me.is_surplus THEN id ELSE chosen END, tonnes, cents
        FROM chosen_now WHERE tonnes > 0
        ON CONFLICT (surplus_id, need_id) DO UPDATE SET tonnes = flow.tonnes + excluded.tonnes
    ), told AS (
        UPDATE lot SET left_t = lot.left_t - c.tonnes FROM chosen_now c
        WHERE lot.id = c.id AND c.tonnes > 0 RETURNING c.tonnes
    )
    UPDATE lot SET left_t = left_t - coalesce((SELECT sum(tonnes) FROM told), 0) WHERE id = chosen;
END $$;
"""
_SURPLUS = "f.surplus_kind = me.kind AND f.need_kind = o.kind"
_NEED = "f.need_kind = me.kind AND f.surplus_kind = o.kind"

CHANGE = """
CREATE FUNCTION change(told jsonb, reach float8, blurred_km float8, span float8, across float8)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE me lot; other uuid; freed uuid[];
BEGIN
    SELECT * INTO me FROM jsonb_populate_record(NULL::lot, told);
    WITH gone AS (
        DELETE FROM flow WHERE surplus_id = me.id OR need_id = me.id
        RETURNING CASE WHEN surplus_id = me.id THEN need_id ELSE surplus_id END AS id, tonnes
    ), given_back AS (
        UPDATE lot SET left_t = left_t + gone.tonnes FROM gone WHERE lot.id = gone.id
        RETURNING lot.id
    )
    SELECT array_agg(id) INTO freed FROM given_back;
    INSERT INTO lot SELECT (me).* ON CONFLICT (id) DO UPDATE SET
        likely = me.likely, left_t = me.left_t, first = me.first, last = me.last,
        per_day = me.per_day, lat = me.lat, lon = me.lon;
    IF me.is_surplus THEN PERFORM choose_need(me.id, reach, blurred_km, span, across);
    ELSE PERFORM choose_surplus(me.id, reach, blurred_km, span, across); END IF;
    FOREACH other IN ARRAY coalesce(freed, '{}') LOOP
        IF me.is_surplus THEN PERFORM choose_surplus(other, reach, blurred_km, span, across);
        ELSE PERFORM choose_need(other, reach, blurred_km, span, across); END IF;
    END LOOP;
END $$;
"""


class ScoredInSql:
    """Keeps lots and flows in tables; each change is one call, durable when it returns."""

    def __init__(self, connection: Any, rules: Rules) -> None:
        self.connection = connection
        self.rules = rules
        self.kinds: dict[str, int] = {}

    @classmethod
    async def open(cls, postgres_url: str, lots: Sequence[Lot], rules: Rules) -> Self:
        """An empty one on the server, which knows the kinds of *lots*."""
        admin = await asyncpg.connect(f"{postgres_url}/postgres")
        await admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        await admin.execute(f"CREATE DATABASE {DATABASE}")
        await admin.close()
        settings = {"jit": "off", "application_name": DATABASE}
        connection = await asyncpg.connect(f"{postgres_url}/{DATABASE}", server_settings=settings)
        made = cls(connection, rules)
        await made._prepare(lots)
        return made

    async def close(self) -> None:
        await self.connection.close()

    async def change(self, lot: Lot) -> None:
        """*lot* is new, or now as told here."""
        straight = self.rules.reach(lot.material)
        span = straight / 111.195 + 0.01
        await self.connection.execute(
            "SELECT change($1::text::jsonb, $2, $3, $4, $5)",
            json.dumps(self._row(lot), default=str),
            straight,
            self.rules.same_place_km,
            span,
            span * 2.2,  # a degree of longitude is that much shorter at these latitudes
        )

    async def flows(self) -> dict[Pair, int]:
        """The tonnes of each pair, surplus first."""
        found = await self.connection.fetch("SELECT surplus_id, need_id, tonnes FROM flow")
        return {(row["surplus_id"], row["need_id"]): row["tonnes"] for row in found}

    async def refresh(self) -> None:
        """Let the planner know what the tables hold by now."""
        await self.connection.execute("ANALYZE lot; ANALYZE flow")

    async def _prepare(self, lots: Sequence[Lot]) -> None:
        for name, joined, side in (
            ("choose_need", _SURPLUS, "NOT o.is_surplus"),
            ("choose_surplus", _NEED, "o.is_surplus"),
        ):
            whole = SCHEMA.replace("%(joined)s", joined).replace("%(side)s", side)
            tables, function = whole.split("CREATE FUNCTION choose")
            if name == "choose_need":
                await self.connection.execute(tables)
            await self.connection.execute(f"CREATE FUNCTION {name}{function}")
        await self.connection.execute(CHANGE)
        for kind in sorted({lot.kind for lot in lots}):
            self.kinds[kind] = len(self.kinds)
        dug = {lot.kind for lot in lots if lot.is_surplus}
        fits = [
            (self.kinds[s], self.kinds[n], disposal(s).cents + purchase(n).cents)
            for s in sorted(dug)
            for n in sorted(self.kinds.keys() - dug)
            if kinds_fit(s, n, self.rules.processing_on_site)
        ]
        await self.connection.executemany("INSERT INTO fits VALUES ($1, $2, $3)", fits)
        steps = range(int(_FARTHEST_KM / _STEP_KM) + 1)
        ratios = [(step, road_ratio((step + 0.5) * _STEP_KM)) for step in steps]
        await self.connection.executemany("INSERT INTO ratio VALUES ($1, $2)", ratios)
        await self.connection.execute("ANALYZE")

    def _row(self, lot: Lot) -> dict[str, Any]:
        tonnes = lot.likely if lot.is_open else 0
        return {
            "id": lot.id,
            "is_surplus": lot.is_surplus,
            "kind": self.kinds[lot.kind],
            "likely": tonnes,
            "left_t": tonnes,
            "first": lot.first,
            "last": lot.last,
            "per_day": lot.weekly_t / 7 if lot.weekly_t else 1e9,
            "lat": lot.lat,
            "lon": lot.lon,
            "exact": lot.exact,
            "municipality": lot.municipality,
            "project_id": lot.project_id,
            "organisation": lot.organisation,
            "hidden": lot.visibility == "region",
            "net": lot.net_of_own_use,
        }
