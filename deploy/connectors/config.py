"""What a connector is told: one YAML file, checked whole before anything is opened."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from shared.client.crs import epsg_of
from shared.client.mapping import BadMapping, read_yaml
from shared.client.said import Said, say, say_all
from shared.vocabulary.enumerations import codes
from shared.vocabulary.errors import Refused
from shared.vocabulary.identifiers import is_token


class BadConfig(Refused):
    """The connector's file {value!r} cannot be used. {remedy}"""

    code: ClassVar[str] = "config_invalid"


def _token(told: str) -> str:
    if not is_token(told):
        raise ValueError("use 2 to 32 of a-z, 0-9 and hyphen")
    return told


def _zone(told: str) -> str:
    try:
        ZoneInfo(told)
    except (ValueError, OSError, KeyError):
        raise ValueError("no such time zone: write it like Europe/Helsinki") from None
    return told


def _crs(told: str | None) -> str | None:
    return None if told is None else f"EPSG:{epsg_of(told)}"


def _code(name: str) -> AfterValidator:
    def known(told: str) -> str:
        if told not in codes(name):
            raise ValueError(f"use one of: {', '.join(codes(name))}")
        return told

    return AfterValidator(known)


def _phases(told: dict[str, str]) -> dict[str, str]:
    for word, meant in told.items():
        if meant not in (*codes("phase"), WITHDRAWN):
            known = ", ".join((*codes("phase"), WITHDRAWN))
            raise ValueError(f"{word!r} cannot mean {meant!r}: use one of {known}")
    return told


WITHDRAWN: Final = "withdrawn"
Url = Annotated[str, Field(pattern=r"^https?://[^\s/]+")]
Listen = Annotated[str, Field(pattern=r"^(\[[0-9a-fA-F:]+\]|[\w.-]+):\d{1,5}$")]


class Told(BaseModel):
    """A part of the file; a word that is not known is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Paths(Told):
    """
    Where each field of a project stands in the JSON of a list: names with points between them.

    The defaults are those of the source's kind; one that is null is not told.
    """

    id: str = "id"
    title: str = "name"
    available_from: str | None = None
    available_to: str | None = None
    phase: str | None = None
    municipality: str | None = None
    lat: str | None = None
    lon: str | None = None
    version: str | None = None
    updated: str | None = None
    reference: str | None = None
    project_type: str | None = None
    area_m2: str | None = None
    length_m: str | None = None
    planning_from: str | None = None
    planning_to: str | None = None


class Projects(Told):
    """
    How the projects of a source become ours. *crs* is the system of its coordinates where it names
    none itself, else degrees; `lat` is then the northing and `lon` the easting.
    """

    fields: Paths
    prefix: str = Field(default="", max_length=80)
    region: str
    municipality: str | None = None
    site_kind: Annotated[str, _code("site_kind")] = "construction_site"
    visibility: Literal["region", "parties", "forum", "public"] = "parties"
    phases: Annotated[dict[str, str], AfterValidator(_phases)] = {}
    programme: str | None = Field(default=None, max_length=200)
    crs: Annotated[str | None, AfterValidator(_crs)] = None
    dates: tuple[str, ...] = ("yyyy-mm-dd", "d.m.yyyy", "instant", "milliseconds")
    time_zone: Annotated[str, AfterValidator(_zone)] = "UTC"


class Common(Told):
    """
    What every connector is told.

    *source* is the name under which its events are known at the door: it never changes.
    *credentials* is the file that `massakoppi org add … --save` wrote, *cursor* the connector's own
    memory; paths are relative to the file. *listen* answers `/livez`, `/readyz` and `/state`.
    """

    kind: ClassVar[str]

    organisation: Annotated[str, AfterValidator(_token)]
    credentials: Path
    cursor: Path
    source: str = Field(min_length=1, max_length=100)
    door: Literal["auto", "https"] = "auto"
    listen: Listen | None = None
    patience_s: float = Field(default=60.0, gt=0, le=3600)
    pause_s: float = Field(default=1.0, gt=0, le=3600)
    longest_pause_s: float = Field(default=300.0, gt=0, le=86400)


class FromUrl(Common):
    """*authorization_file* holds the whole value of the header `Authorization`."""

    url: Url
    authorization_file: Path | None = None
    timeout_s: float = Field(default=30.0, gt=0, le=600)
    projects: Projects


class ProgrammeConfig(FromUrl):
    """
    A city's programme of infrastructure: *url* is the stream, *list_url* all projects as they are.

    *event* is the stream's word for news of a project, *item* where the project stands in its data.
    The list is read at every connection, since a stream tells no beginning. A project that is
    missing from it *missed_lists* times in a row, counted at most once in *missed_every_s*, is
    withdrawn; but where more than *most_missing_share* of all known ones are, the list is doubted.
    """

    kind: ClassVar[str] = "programme"

    list_url: Url | None = None
    event: str = "project-update"
    item: str | None = "project"
    missed_lists: int = Field(default=3, ge=1, le=1000)
    missed_every_s: float = Field(default=3600.0, ge=0, le=7 * 86400)
    most_missing_share: float = Field(default=0.5, ge=0, le=1)
    silence_s: float = Field(default=90.0, gt=0, le=3600)


class StreetWorksConfig(FromUrl):
    """
    A public list of street works, asked every *every_s*.

    A project that is missing *missed_polls* times in a row is withdrawn, unless more than
    *most_missing_share* of all known ones are: then the list is doubted, and nothing is withdrawn.
    """

    kind: ClassVar[str] = "street-works"

    every_s: float = Field(default=3600.0, gt=0, le=7 * 86400)
    missed_polls: int = Field(default=3, ge=1, le=1000)
    most_missing_share: float = Field(default=0.5, ge=0, le=1)


class LoadsConfig(Common):
    """
    Weighed loads of a haulage system, by *mapping* (the words of an import's mapping file).

    *drop* is a folder of CSV files, each read once it has been still for *quiet_s*; *key_file* the
    key with which a system posts to `/loads` at *listen*. One of the two at least. With
    *matcher_url* a match that is not known is told back before the load is handed in. *language* is
    that of what is told back.
    """

    kind: ClassVar[str] = "loads"

    mapping: dict[str, Any]
    drop: Path | None = None
    key_file: Path | None = None
    every_s: float = Field(default=5.0, gt=0, le=86400)
    quiet_s: float = Field(default=5.0, ge=0, le=3600)
    matcher_url: Url | None = None
    language: Literal["fi", "sv", "en"] = "en"
    door: Literal["auto", "https"] = "https"


CONFIGS: Final[dict[str, type[Common]]] = {
    each.kind: each for each in (ProgrammeConfig, StreetWorksConfig, LoadsConfig)
}
_PATHS: Final = ("credentials", "cursor", "authorization_file", "drop", "key_file")


def read_config(kind: str, file: Path) -> Common:
    """
    The file of a connector of *kind*, its paths made absolute.

    Raises `BadConfig` with every fault at once: where, the value, what to write.
    """
    if kind not in CONFIGS:
        raise BadConfig(value=kind, remedy=say("config_kinds", kinds=", ".join(CONFIGS)))
    if not file.is_file():
        raise BadConfig(value=str(file), remedy=say("config_no_file"))
    try:
        told = read_yaml(file)
        config = CONFIGS[kind].model_validate(told)
    except BadMapping as error:
        raise BadConfig(value=str(file), remedy=error.told["remedy"]) from error
    except ValidationError as error:
        remedy = say_all(_fault(each) for each in error.errors())
        raise BadConfig(value=str(file), remedy=remedy) from error
    if isinstance(config, LoadsConfig):
        _one_way_in(config, file)
    absolute = {
        name: file.parent / path
        for name in _PATHS
        if isinstance(path := getattr(config, name, None), Path)
    }
    return config.model_copy(update=absolute)


def _one_way_in(config: LoadsConfig, file: Path) -> None:
    if config.drop is None and config.key_file is None:
        raise BadConfig(value=str(file), remedy=say("config_way_in"))
    if config.key_file is not None and config.listen is None:
        raise BadConfig(value=str(file), remedy=say("config_listen"))


def _fault(error: Any) -> Said:
    where = ".".join(str(part) for part in error["loc"]) or "file"
    if error["type"] == "missing":
        return say("mapping_say", where=where)
    if error["type"] == "extra_forbidden":
        return say("config_word", where=where)
    why = error["msg"].removeprefix("Value error, ")
    return say("config_not", where=where, why=why, value=error["input"])
