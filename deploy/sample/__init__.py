"""
The sample region: real municipalities of Uusimaa, invented organisations, projects and people.

    from deploy.sample import drift, sample, sample_events

    found = sample(today)                     # organisations, a spreadsheet, and what it cannot say
    events = sample_events(found, Path("data/sample.csv"))
    changed = drift(events, step)             # one forecast a little other than it was

Its region has code 99, which no official region has, so that it enters nobody's figures.
"""

from deploy.sample.generator import (
    Sample,
    SampleMember,
    SampleOrganisation,
    drift,
    sample,
    sample_events,
)

__all__ = ["Sample", "SampleMember", "SampleOrganisation", "drift", "sample", "sample_events"]
