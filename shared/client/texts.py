"""What is wrong with a row, in the reader's language; English has the most exact words.

What is wrong with a whole file is said by `said`.
"""

from typing import Final

from shared.client.outgoing import RowError

_TEXTS: Final[dict[str, tuple[str, str]]] = {
    "missing": (
        "Pakollinen tieto {column} puuttuu. Täytä solu.",
        "Den obligatoriska uppgiften {column} saknas. Fyll i cellen.",
    ),
    "invalid": (
        "Sarakkeen {column} arvo {value} ei kelpaa. Tarkista arvo ja sen rajat ohjeesta.",
        "Värdet {value} i kolumnen {column} duger inte. Kontrollera värdet och dess gränser.",
    ),
    "not_a_number": (
        "{value} ei ole yksiselitteinen luku. Kirjoita se muodossa 1 234,5 tai 1234.5.",
        "{value} är inte ett entydigt tal. Skriv det som 1 234,5 eller 1234.5.",
    ),
    "not_a_date": (
        "{value} ei ole yksiselitteinen päivä. Kirjoita se muodossa 31.5.2027 tai 2027-05-31.",
        "{value} är inte en entydig dag. Skriv den som 31.5.2027 eller 2027-05-31.",
    ),
    "code_unknown": (
        "Sanaa {value} ei tunneta sarakkeessa {column}. Valitse arvo luettelosta.",
        "Ordet {value} är okänt i kolumnen {column}. Välj ett värde i listan.",
    ),
    "material_unknown": (
        "Materiaalia {value} ei tunneta. Valitse materiaali luettelosta.",
        "Materialet {value} är okänt. Välj materialet i listan.",
    ),
    "place_unknown": (
        "Alueella ei ole yhtä kuntaa nimeltä {value}. Tarkista nimi tai kuntanumero.",
        "Regionen har ingen kommun som heter {value}. Kontrollera namnet eller kommunkoden.",
    ),
    "place_missing": (
        "Kunta puuttuu. Kirjoita kunnan nimi tai numero.",
        "Kommunen saknas. Skriv kommunens namn eller kod.",
    ),
    "organisation_missing": (
        "Ei tiedetä, kenen massa on. Täytä omistaja.",
        "Det framgår inte vems massan är. Fyll i ägaren.",
    ),
    "organisation_unknown": (
        "Organisaatiota {value} ei tunneta täällä. Pyydä, että se vahvistetaan ensin.",
        "Organisationen {value} är okänd här. Be att den bekräftas först.",
    ),
    "identity_repeated": (
        "Sama tunnus {value} on jo aiemmalla rivillä. Yhdistä rivit tai anna eri tunnus.",
        "Samma id {value} finns redan på en tidigare rad. Slå ihop raderna eller ge ett annat id.",
    ),
    "window_reversed": (
        "Loppu {value} on ennen alkua. Tarkista molemmat päivät.",
        "Slutet {value} är före början. Kontrollera båda dagarna.",
    ),
    "row_too_long": (
        "Rivillä on enemmän soluja kuin otsikoita. Puuttuuko solun erottimelta lainausmerkki?",
        "Raden har fler celler än rubriker. Saknas citattecken kring ett skiljetecken i en cell?",
    ),
    "cell_error": (
        "Solussa on taulukkolaskennan virhe {value}. Korjaa kaava tai kirjoita arvo.",
        "Cellen visar ett kalkylfel, {value}. Rätta formeln eller skriv värdet.",
    ),
    "no_case_fits": (
        "Rivin tiedot eivät osu mihinkään kuvauksen tapaukseen. Tarkista sarake {column}.",
        "Radens uppgifter passar inget fall i avbildningen. Kontrollera kolumnen {column}.",
    ),
    "unit_refused": (
        "Yksikköä {value} ei käytetä. Kirjoita t, m3ktr, m3itd tai m3rtr.",
        "Enheten {value} används inte. Skriv t, m3ktr, m3itd eller m3rtr.",
    ),
    "unit_without_state": (
        "{value} ei kerro massan tilaa. Kirjoita m3ktr (maassa), m3itd (irtona) tai m3rtr "
        "(rakenteessa).",
        "{value} säger inte massans tillstånd. Skriv m3ktr (i mark), m3itd (löst) eller m3rtr "
        "(i konstruktion).",
    ),
    "no_in_situ_state": (
        "Tätä materiaalia ei mitata maassa. Kirjoita m3itd, m3rtr tai t.",
        "Det här materialet mäts inte i mark. Skriv m3itd, m3rtr eller t.",
    ),
    "coordinates_swapped": (
        "Koordinaatit {value} ovat väärin päin. Vaihda itä (x) ja pohjoinen (y) keskenään.",
        "Koordinaterna {value} står i fel ordning. Låt öst (x) och nord (y) byta plats.",
    ),
    "coordinates_mismatched": (
        "Koordinaatit {value} eivät ole ilmoitetussa koordinaattijärjestelmässä. Tarkista "
        "järjestelmä ja luvut.",
        "Koordinaterna {value} ligger inte i det angivna koordinatsystemet. Kontrollera systemet "
        "och talen.",
    ),
    "coordinates_outside_region": (
        "Piste {value} on alueen ulkopuolella. Tarkista koordinaatit ja järjestelmä.",
        "Punkten {value} ligger utanför regionen. Kontrollera koordinaterna och systemet.",
    ),
    "crs_unknown": (
        "Koordinaattijärjestelmää ei lueta: {value}. Käytä EPSG:3067, 3873–3885, 4258 tai 4326.",
        "Koordinatsystemet läses inte: {value}. Använd EPSG:3067, 3873–3885, 4258 eller 4326.",
    ),
    "geometry_unreadable": (
        "Geometriaa ei voi lukea: {value}. Piirrä kohde uudelleen tai vie tiedosto uudelleen.",
        "Geometrin kan inte läsas: {value}. Rita objektet på nytt eller exportera filen på nytt.",
    ),
    "no_conversion_factor": (
        "Yksiköstä {value} tonneiksi ei tunneta kerrointa. Ilmoita tonneina.",
        "Ingen faktor är känd från {value} till ton. Ange ton.",
    ),
}
_SOURCES: Final[dict[str, tuple[str, str]]] = {
    "id_missing": (
        "Hankkeella ei ole tunnusta kohdassa {column}. Kerro, missä se on: fields.id.",
        "Projektet har inget id vid {column}. Säg var det står: fields.id.",
    ),
    "title_missing": (
        "Hankkeella ei ole nimeä kohdassa {column}. Anna sellainen tai kerro fields.title.",
        "Projektet har inget namn vid {column}. Ge det ett, eller ange fields.title.",
    ),
    "event_unknown": (
        "Tapahtumaa {value} ei tunneta. Tarkista sen nimi.",
        "Händelsen {value} är okänd. Kontrollera dess namn.",
    ),
    "not_a_version": (
        "{value} ei ole versio. Se on 0, 1, 2 …; muuten jätä fields.version pois.",
        "{value} är ingen version. Den räknas 0, 1, 2 …; lämna annars bort fields.version.",
    ),
    "not_a_time": (
        "{value} ei ole aika. Kirjoita se muodossa 2027-05-31T12:00:00+03:00.",
        "{value} är ingen tid. Skriv den som 2027-05-31T12:00:00+03:00.",
    ),
    "not_json": (
        "Tapahtuman tiedot eivät ole JSONia. Pyydä lähdettä korjaamaan ne.",
        "Händelsens data är inte JSON. Be källan rätta dem.",
    ),
    "not_an_object": (
        "Kuorma on olio. Kirjoita se aaltosulkeisiin, nimi ja arvo kerrallaan.",
        "Ett lass är ett objekt. Skriv det inom klamrar, ett namn och ett värde i taget.",
    ),
    "load_unknown": (
        "Kuormaa {value} ei ole kerrottu aiemmin, joten sitä ei voi perua. Tarkista tunnus.",
        "Inget lass {value} har sagts tidigare, så det kan inte återtas. Kontrollera id.",
    ),
    "match_unknown": (
        "Sinulla ei ole paria {value}. Tarkista sen tunnus tai nimeä ennuste.",
        "Du har inget par {value}. Kontrollera dess id eller nämn prognosen.",
    ),
}
"""What a connector's source told wrong."""
_OTHER: Final = (
    "Sarakkeen {column} arvo {value} ei kelpaa. Valitse arvo luettelosta.",
    "Värdet {value} i kolumnen {column} duger inte. Välj ett värde i listan.",
)


def row_codes() -> dict[str, str]:
    """Code → what it says in Finnish, of all that have words of their own."""
    return {code: finnish for code, (finnish, _) in {**_TEXTS, **_SOURCES}.items()}


def spoken(error: RowError, language: str) -> str:
    """What is wrong and what to do, in *language* (fi, sv, en)."""
    told = (
        _TEXTS.get(error.code)
        or _SOURCES.get(error.code)
        or (_OTHER if error.code.startswith("not_a_") else None)
    )
    if language not in ("fi", "sv") or told is None:
        return error.text
    finnish, swedish = told
    value = repr(error.value[:120]) if error.value else "–"
    text = finnish if language == "fi" else swedish
    return text.format(column=error.column or "–", value=value)
