"""The vocabulary's words in a table: one label a code in each language, and back."""

from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Final

from shared.client.cells import folded
from shared.vocabulary import enumerations
from shared.vocabulary.materials import MATERIALS
from shared.vocabulary.units import UNITS

LANGUAGES: Final = ("fi", "sv", "en")


@cache
def labels(kind: str, language: str) -> Mapping[str, str]:
    """
    Code → what it is called in *language*, in the vocabulary's order; empty for a kind without.

    Two codes of one name bear their code too, so that each label means one thing.
    """
    names = _names(kind, language)
    times = Counter(map(folded, names.values()))
    return {
        code: name if times[folded(name)] == 1 else f"{name} ({code})"
        for code, name in names.items()
    }


@cache
def words_of(kind: str) -> Mapping[str, str]:
    """
    Every label in every language, and every code → the code; what would mean two is left out.

    A label may be written without what stands in its brackets.
    """
    found: dict[str, str | None] = {}
    codes = list(_names(kind, "en"))
    for code in codes:
        for language in LANGUAGES:
            label = folded(labels(kind, language)[code])
            for word in {label, label.partition(" (")[0]}:
                found[word] = code if found.get(word, code) == code else None
    own = {folded(code): code for code in codes}
    return {word: code for word, code in (found | own).items() if code is not None}


def _names(kind: str, language: str) -> dict[str, str]:
    if kind == "material":
        return {each.id: each.names[language] for each in MATERIALS.values()}
    if kind == "unit":
        return {each.id: f"{each.id} ({each.names[language]})" for each in UNITS.values()}
    if kind == "quality":
        listed = (
            (name, code)
            for name in ("suitability_class", "suitability_tier")
            for code in enumerations.codes(name)
        )
        return {code: enumerations.names(name, code, language) for name, code in listed}
    try:
        return {code: enumerations.names(kind, code, language) for code in enumerations.codes(kind)}
    except enumerations.UnknownEnumeration:
        return {}
