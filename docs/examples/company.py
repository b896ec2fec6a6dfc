"""
A company system in Python: a project and its surplus, both receipts, then the match.

    python company.py acme.json

acme.json: what `massakoppi org add acme … --save` wrote. Over NATS where that has a seed.
"""

import asyncio
import json
import sys

from shared.client import Client, Credentials


async def main(path: str) -> None:
    async with Client(Credentials.read(path), system="erp") as client:
        project = await client.project(
            "P-1",
            title="Ring road ditch",
            municipality="049",
            available_from="2027-03-01",
            available_to="2027-09-30",
        )
        forecast = await client.forecast(
            "P-1/till",
            project="P-1",
            direction="surplus",
            material="till",
            quality="S3",
            contamination="P0",
            contamination_basis="site_survey",
            acid_sulphate="none",
            invasive_status="none_observed",
            waste_status="not_waste",
            quantity=2400,
            unit="t",
            available_from="2027-03-01",
            available_to="2027-09-30",
        )
        for verdict in (project, forecast):
            print(json.dumps({"verdict": verdict.verdict, "code": verdict.code}), flush=True)
            for reason in verdict.reasons:
                print(f"{reason.pointer} {reason.code}: {reason.text}", file=sys.stderr)
        if forecast.verdict != "accepted":
            sys.exit(1)
        async for match in client.matches():
            if forecast.canonical and match.forecast == forecast.canonical["id"]:
                print(json.dumps({"match": match.told}), flush=True)
                break


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
