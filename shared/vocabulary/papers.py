"""What a match asks to be shown, tested or decided, by id, with names in three languages."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal

from shared.vocabulary.enumerations import rank
from shared.vocabulary.errors import Refused
from shared.vocabulary.materials import MATERIALS
from shared.vocabulary.tables import table

Sort = Literal["paper", "test", "decision", "fact"]


class UnknownPaper(Refused):
    """There is no paper {value!r}. {remedy}"""

    code: ClassVar[str] = "paper_unknown"


@dataclass(frozen=True, slots=True)
class PaperField:
    """
    A field that a paper asks for; *told_in* is the forecast's field that gives it, if one does.

    *asked* is `always`, `if possible`, or `hazardous` (of hazardous waste only).
    """

    id: str
    names: Mapping[str, str] = field(hash=False)
    told_in: str | None
    asked: str


@dataclass(frozen=True, slots=True)
class Paper:
    """
    One thing asked for: *kind* paper, test, decision, or a fact that is missing.

    *rule* is the id in `rules` that asks for it; *fields* what it must hold, *kept_years* how long
    it is kept, where known.
    """

    id: str
    kind: Sort
    names: Mapping[str, str] = field(hash=False)
    rule: str | None
    kept_years: int | None
    fields: tuple[PaperField, ...]


TRANSFER_DOCUMENT: Final = "transfer_document"
_CONSTRUCTION: Final = "17 "


def paper(id: str) -> Paper:
    """The paper *id*; `UnknownPaper` when there is none."""
    try:
        return PAPERS[id]
    except KeyError:
        raise UnknownPaper(value=id, remedy=f"Use one of: {', '.join(PAPERS)}.") from None


def paper_name(id: str, lang: str) -> str:
    """What the paper *id* is called in *lang* (fi, sv, en); what is not known here, as it is."""
    found = PAPERS.get(id)
    return id if found is None else str(found.names.get(lang, id))


def in_words(ids: Iterable[str], lang: str = "en") -> str:
    """The names of *ids*, joined by commas."""
    return ", ".join(paper_name(id, lang) for id in ids)


def papers_of(conditions: Iterable[str]) -> tuple[str, ...]:
    """The papers that codes of the enumeration `condition` ask for; an unknown code asks none."""
    asked = table("papers")["conditions"]
    return tuple(dict.fromkeys(id for code in conditions for id in asked.get(code, ())))


def needs_transfer_document(material: str, waste_status: str, contamination: str) -> bool:
    """
    Whether moving the mass takes a transfer document.

    Waste of construction and demolition (chapter 17), contaminated soil and hazardous waste do; a
    class not known is not clean. Clean soil does not, nor ash, slag or tyres, nor what is no waste.
    """
    if waste_status in ("not_waste", "by_product", "end_of_waste"):
        return False
    found = MATERIALS.get(material)
    if found is not None and found.group == "recovered":
        built = any(code.startswith(_CONSTRUCTION) for code in found.waste_codes)
        return built or contamination == "P4"
    is_soil = found is not None and found.group == "natural"
    return not is_soil or rank("contamination", contamination) != 0


def transfer_fields(contamination: str) -> tuple[PaperField, ...]:
    """The fields of the transfer document for a mass of class *contamination*."""
    every = PAPERS[TRANSFER_DOCUMENT].fields
    return tuple(one for one in every if one.asked != "hazardous" or contamination == "P4")


def _paper(row: Mapping[str, Any]) -> Paper:
    return Paper(
        id=row["id"],
        kind=row["kind"],
        names=row["names"],
        rule=row.get("rule"),
        kept_years=row.get("kept_years"),
        fields=tuple(
            PaperField(each["id"], each["names"], each["from"], each["asked"])
            for each in row.get("fields", ())
        ),
    )


PAPERS: Final[Mapping[str, Paper]] = MappingProxyType(
    {row["id"]: _paper(row) for row in table("papers")["papers"]}
)
"""Every paper by id."""
