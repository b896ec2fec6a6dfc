"""Templates to HTML, with the words and forms of the reader's language."""

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from services.portal.api import words
from services.portal.api.assets import static_url
from services.portal.domain import formats, marks, near


@cache
def environment() -> Environment:
    """The templates; everything is escaped, an unknown name is an error."""
    made = Environment(
        loader=FileSystemLoader(str(files("services.portal") / "templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {
        "f": formats, "m": marks, "n": near, "static": static_url, "languages": words.NAMES,
    }  # fmt: skip
    return made


def draw(template: str, language: str, **told: Any) -> Markup:
    """The template filled in for a reader of *language*."""
    made = environment().get_template(template)
    text = made.render(t=words.Words(language), lang=language, tag=words.TAGS[language], **told)
    return Markup(text)  # the templates have escaped
