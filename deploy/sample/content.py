"""The invented people, organisations, sites and areas of the sample region."""

from typing import Final, NamedTuple

REGION: Final = "99"
MAIL: Final = "example.invalid"


class Owner(NamedTuple):
    """An invented organisation."""

    token: str
    name: str
    actor_type: str
    people: tuple[tuple[str, str, tuple[str, ...]], ...]  # name, language, roles

    @property
    def title(self) -> str:
        """Its title, which says that it is a sample."""
        return f"{self.name} (esimerkki)"


COORDINATOR: Final = ("coordinator",)
REPORTER: Final = ("reporter",)

OWNERS: Final = (
    Owner("esimerkkila", "Esimerkkilän kaupunki", "municipality", (
        ("Maija Mallikas", "fi", COORDINATOR), ("Teppo Testilä", "fi", REPORTER))),
    Owner("mallila", "Mallilan kunta", "municipality", (
        ("Saara Savimäki-Demola", "fi", COORDINATOR),)),
    Owner("kaavala", "Kaavalan kaupunki", "municipality", (
        ("Kaarlo Kaavakas", "fi", COORDINATOR), ("Inka Inventaario", "fi", REPORTER))),
    Owner("routala", "Routalan kunta", "municipality", (
        ("Routa-Riitta Demonen", "fi", COORDINATOR),)),
    Owner("provby", "Provby stad", "municipality", (
        ("Gun Grusblad", "sv", COORDINATOR), ("Lennart Lerberg-Demo", "sv", REPORTER))),
    Owner("massaliitto", "Esimerkkiseudun massaliitto", "region", (
        ("Aino Alueenpää", "fi", ("coordinator", "regional_coordinator")),)),
    Owner("esimerkkivayla", "Esimerkkiväylä", "state", (
        ("Väinö Väyläinen", "fi", COORDINATOR),)),
    Owner("monttu-ja-pojat", "Monttu ja Pojat Oy", "company", (
        ("Monna Monttu", "fi", COORDINATOR), ("Kauko Kauhanen", "fi", REPORTER))),
    Owner("louhe-ja-rouhe", "Louhe & Rouhe Oy", "company", (
        ("Louhi Lohkare", "fi", COORDINATOR),)),
    Owner("savisydan", "Savisydän Infra Oy", "company", (
        ("Silja Siltti", "fi", COORDINATOR),)),
    Owner("viimeinen-kuorma", "Viimeinen Kuorma Oy", "company", (
        ("Kuura Kuorma-Demola", "fi", COORDINATOR), ("Dora Dumper", "en", REPORTER))),
    Owner("kukkula-koy", "Kumpu ja Kukkula Oy", "company", (
        ("Kumma Kumpunen", "fi", COORDINATOR),)),
)  # fmt: skip


class Line(NamedTuple):
    """A mass line of a kind of site: what, which way, and from how much to how much, in m3."""

    word: str
    surplus: bool
    least: int
    most: int
    quality: str = ""


class Kind(NamedTuple):
    """A kind of site: its names, and the mass lines it has."""

    site_kind: str
    names: tuple[str, ...]
    lines: tuple[Line, ...]


KINDS: Final = (
    Kind("työmaa", ("Päiväkoti Kuoppanen", "Pysäköintihalli Ruutu", "Uimahalli Kaakeli",
                    "Kauppakeskus Kolikko", "Koulu Oppila"), (
        Line("savi", True, 4000, 30000, "u2"),
        Line("hiekkamoreeni", True, 2000, 12000, "h3"),
        Line("sora", False, 1000, 5000),
        Line("louhe", False, 1500, 6000))),
    Kind("työmaa", ("Metrokuilu Kolo", "Kalliotie oikaisu", "Datakeskus Pilvenhattara",
                    "Kallioparkki Hohka"), (
        Line("louhe", True, 8000, 60000),
        Line("hiekkamoreeni", True, 1500, 9000, "h3"),
        Line("savi", True, 1000, 6000, "u3"))),
    Kind("työmaa", ("Savitien peruskorjaus", "Mutkatien pyörätie", "Kiertoliittymä Ympyriäinen",
                    "Kuoppakadun saneeraus", "Hidastie"), (
        Line("savi", True, 1500, 9000, "u2"),
        Line("silttimoreeni", True, 800, 5000, "h4"),
        Line("louhe", False, 1000, 5000),
        Line("hiekka", False, 500, 3000))),
    Kind("suunnittelualue", ("Meluvalli Hiljala", "Laskettelumäki Nyppylä", "Maisemavalli Vehmas"),
        (
        Line("savi", False, 8000, 35000),
        Line("hiekkamoreeni", False, 4000, 20000),
        Line("täyttömaa", False, 2000, 9000))),
    Kind("suunnittelualue", ("Satamakenttä Laituri", "Ratapenger Kisko", "Logistiikkakenttä Lava"),
        (
        Line("louhe", False, 10000, 50000),
        Line("hiekkamoreeni", False, 5000, 25000),
        Line("siltti", True, 2000, 8000, "u1"))),
    Kind("kaavoitusalue", ("Lammenrannan asuinalue", "Pellonpään kortteli", "Niittykylän laajennus",
                           "Hulevesiallas Lätäkkö"), (
        Line("savi", True, 6000, 40000, "u2"),
        Line("turve", True, 500, 4000),
        Line("hiekka", True, 800, 5000, "s2"),
        Line("soramoreeni", False, 2000, 9000))),
    Kind("pima-alue", ("Vanha veistämö", "Entinen huoltoasema Tilkka"), (
        Line("täyttömaa", True, 800, 4000, "tv"),
        Line("hiekka", False, 800, 4000))),
)  # fmt: skip


class Place(NamedTuple):
    """An invented area: whose, what, where, and what it takes."""

    token: str
    title: str
    site_kind: str
    municipality: str
    capacity_t: int
    materials: tuple[str, ...]
    processing: tuple[str, ...] = ()
    gate_fee_eur_per_t: float | None = None
    price_eur_per_t: float | None = None


SOILS: Final = ("clay", "silt", "till", "sand", "gravel", "topsoil")
ROCKS: Final = ("rock_solid", "blasted_rock_loose", "boulders", "stones", "crushed_rock")

AREAS: Final = (
    Place("massaliitto", "Välivarasto Odotus", "interim_storage", "092", 120_000, SOILS),
    Place("esimerkkila", "Välivarasto Kohtapuoliin", "interim_storage", "049", 80_000, SOILS),
    Place("provby", "Mellanlager Snart", "interim_storage", "638", 60_000, SOILS + ROCKS),
    Place("routala", "Välivarasto Routa", "interim_storage", "106", 50_000, SOILS),
    Place("louhe-ja-rouhe", "Murskaamo Rusina", "processing_site", "858", 200_000, ROCKS,
          ("crushing", "screening"), 1.5),
    Place("monttu-ja-pojat", "Seulomo Siivilä", "processing_site", "257", 90_000, SOILS,
          ("screening", "drying"), 2.0),
    Place("savisydan", "Stabilointikenttä Jämäkkä", "processing_site", "753", 150_000,
          ("clay", "silt"), ("stabilisation", "drying"), 6.0),
    Place("viimeinen-kuorma", "Vastaanotto Viimeinen", "disposal_site", "927", 400_000, SOILS,
          (), 12.0),
    Place("kaavala", "Maankaatopaikka Kumpare", "disposal_site", "505", 300_000, SOILS, (), 10.0),
    Place("provby", "Jordtipp Kullen", "disposal_site", "710", 150_000, SOILS, (), 9.0),
    Place("louhe-ja-rouhe", "Kiviainesalue Sepeli", "extraction_site", "444", 500_000, ROCKS,
          ("crushing",), None, 14.0),
    Place("kukkula-koy", "Soranottoalue Harju", "extraction_site", "543", 250_000,
          ("sand", "gravel"), (), None, 11.0),
)  # fmt: skip

EXTRA_SITES: Final = ("Arboretum Oksa", "Museopuisto Laatta")
"""Sites that have no masses yet, as a register has them."""
