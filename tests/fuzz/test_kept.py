"""What is compared before and after a refusal is everything, but for what is named."""

import re

from sqlalchemy import Column, Integer, MetaData, Table

from deploy.cards import card, cards
from deploy.generated import openapi
from tests.fuzz.roles import Town
from tests.kept import AT_THE_DOOR, BY_ITSELF, MEANT, OF_AN_IMPORT, Kept, said, whole_of

LEDGERS = {one.name: one.ledger for one in cards() if one.ledger is not None}


def test_what_is_left_out_is_there() -> None:
    """An exclusion of a table or column that is gone, or that none is named by, fails."""
    tables = [f"{name}.{one.name}" for name, each in LEDGERS.items() for one in _tables(each)]
    columns = [
        f"{name}.{one.name}.{column.name}"
        for name, each in LEDGERS.items()
        for one in _tables(each)
        for column in one.columns
    ]
    for told in (*MEANT, *OF_AN_IMPORT, *BY_ITSELF):
        assert any(said(one, (told,)) for one in (*tables, *columns)), told
    assert sum(said(one, MEANT) for one in tables) == len(LEDGERS) + 2
    routes = [
        f"{method.upper()} {path}"
        for path, told in openapi(card("registry"))["paths"].items()
        for method in told
    ]
    assert sum(bool(re.match(AT_THE_DOOR, one)) for one in routes) == 1 + 2 * 3


def test_a_new_table_is_compared_by_itself() -> None:
    """Whatever the database tells of is in the question."""
    new = Table("new", MetaData(), Column("a", Integer))
    asked = whole_of("registry", [(new.name, one.name) for one in new.columns])
    assert '"new"' in asked and 't."a"' in asked


def test_every_table_of_every_service_is_compared(fuzzed: Town, kept: Kept) -> None:
    """All that the ledgers tell, and whatever a write leaves in one of them is seen."""
    whole = kept.whole()
    left_out = (*MEANT, *BY_ITSELF)
    for name, ledger in LEDGERS.items():
        for one in _tables(ledger):
            told = f"{name}.{one.name}"
            assert told in whole or said(told, left_out), told

    def refused_and_yet_written() -> bool:
        kept.ask("registry", "UPDATE organisation SET title = title || '!'")
        return True

    assert kept.left_by(refused_and_yet_written) == ["registry.organisation"]
    kept.ask("registry", "UPDATE organisation SET title = rtrim(title, '!')")


def _tables(ledger: object) -> list[Table]:
    return list(ledger.metadata.sorted_tables)  # type: ignore[attr-defined]
