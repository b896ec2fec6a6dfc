"""The three catalogues and the templates agree; the palette keeps its contrasts."""

import json
import re
from importlib.resources import files

import pytest

PORTAL = files("services.portal")
CATALOGUES = {
    language: json.loads((PORTAL / "locales" / f"{language}.json").read_text("utf-8"))
    for language in ("fi", "sv", "en")
}
TEMPLATES = [
    one.read_text("utf-8")
    for folder in (PORTAL / "templates", PORTAL / "templates" / "fragments")
    for one in folder.iterdir()
    if one.name.endswith(".html")
]
SOURCES = [one.read_text("utf-8") for one in (PORTAL / "api").iterdir() if one.name.endswith(".py")]


def test_every_text_is_there_in_all_three_languages() -> None:
    """The same keys with the same blanks, none of them empty."""
    fi = CATALOGUES["fi"]
    for texts in CATALOGUES.values():
        assert list(fi) == list(texts)
        for key, text in texts.items():
            assert text.strip(), key
            assert sorted(re.findall(r"{\w+}", fi[key])) == sorted(re.findall(r"{\w+}", text)), key


def test_templates_and_code_use_only_known_texts_and_no_text_is_idle() -> None:
    """Whole keys are known; a key that is put together begins as some known one does."""
    used = set()
    for text in (*TEMPLATES, *SOURCES):
        used |= set(re.findall(r"\b(?:t|Words\([\w.]+\))\(f?[\"']([\w.]+)[\"'{ ]", text))
    whole = {key for key in used if not key.endswith(".")}
    begun = {key for key in used if key.endswith(".")} | {"error."}
    headings = {key for key in CATALOGUES["fi"] if key.endswith(".heading")}
    assert set() == whole - set(CATALOGUES["fi"])
    assert all(any(key.startswith(one) for key in CATALOGUES["fi"]) for one in begun)
    idle = {
        key
        for key in set(CATALOGUES["fi"]) - whole - headings
        if not any(key.startswith(one) for one in begun)
    }
    assert set() == idle


def tokens() -> dict[str, str]:
    """The colours of the style sheet by name."""
    css = (PORTAL / "static" / "site.css").read_text("utf-8")
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6});", css))


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    digits = colour.lstrip("#")
    digits = "".join(one * 2 for one in digits) if len(digits) == 3 else digits
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (
        one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two tokens."""
    light, dark = sorted((luminance(tokens()[one]), luminance(tokens()[other])), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(
    ("one", "ground", "least"),
    [
        *((text, ground, 4.5) for text in ("ink", "soft", "accent", "warn", "bad", "agreed")
          for ground in ("white", "ground", "selected")),
        *((mark, ground, 3.0) for ground in ("white", "ground", "selected")
          for mark in ("clay", "moraine", "rock", "sand", "topsoil", "crushed", "other")),
        *((mark, ground, 3.0) for ground in ("white", "ground", "water")
          for mark in ("surplus", "need", "focus")),
        ("control", "white", 3.0),
        ("white", "accent", 4.5),
        ("white", "bad", 4.5),
    ],
)  # fmt: skip
def test_the_palette_keeps_its_contrasts(one: str, ground: str, least: float) -> None:
    """Text 4.5, marks and controls 3, on every ground they stand on."""
    assert least <= contrast(one, ground)


def test_script_and_style_keep_their_budget() -> None:
    """The script is at most 10 kB as written; nothing inline, no style attribute, no handler."""
    assert len((PORTAL / "static" / "live.js").read_bytes()) <= 10_000
    assert len((PORTAL / "static" / "site.css").read_bytes()) <= 24_000
    for text in TEMPLATES:
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)
        for script in re.findall(r"<script[^>]*>", text):
            assert "src=" in script or "application/json" in script
