"""What the import contracts cannot say about the source."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("services", "shared", "deploy", "tests")

MAY_IMPORT = {
    "bisect", "calendar", "collections", "dataclasses", "datetime", "decimal", "difflib", "enum",
    "functools", "hashlib", "heapq", "html", "ipaddress", "itertools", "json", "math", "operator",
    "re", "string", "types", "typing", "unicodedata", "urllib", "uuid", "zoneinfo",
}  # fmt: skip
THE_MATCHER_ALSO = {"highspy", "numpy", "ortools"}
CLOCKS = {"now", "today", "utcnow", "time", "monotonic", "perf_counter"}
HANDS = {"open", "print", "input", "exec", "eval"}
NO_ROOM = {
    "base_classes", "common", "core", "helpers", "manager", "managers", "misc", "models", "tools_",
    "util", "utils",
}  # fmt: skip
OF_THE_WRAPPER = {"ack", "nak", "term", "in_progress", "jetstream", "broker", "bus", "commit"}


def modules(*folders: str) -> list[Path]:
    """Every module under *folders*, relative to the project."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(p.relative_to(ROOT) for p in found if "node_modules" not in p.parts)


def domains() -> list[Path]:
    """The modules of every service's domain."""
    return [p for p in modules("services") if p.parts[2:3] in (("domain",), ("domain.py",))]


def parsed(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text())


def imports(path: Path) -> Iterator[str]:
    """The whole name of each import in *path*."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def calls(path: Path) -> Iterator[tuple[int, str]]:
    """Line and last name of each call in *path*."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            yield node.lineno, name


every_domain = pytest.mark.parametrize("path", domains(), ids=str)


@every_domain
def test_a_domain_imports_only_what_is_on_the_short_list(path: Path) -> None:
    """A rule is made of the standard library's plain half and the vocabulary."""
    service = path.parts[1]
    own = f"services.{service}.domain"
    allowed = MAY_IMPORT | (THE_MATCHER_ALSO if service == "matcher" else set())

    strangers = [
        name
        for name in imports(path)
        if name.split(".")[0] not in allowed
        and not name.startswith("shared.vocabulary")
        and not f"{name}.".startswith(f"{own}.")
    ]

    assert strangers == []


@every_domain
def test_a_domain_waits_for_nothing(path: Path) -> None:
    """No `async def`: a rule answers at once and can run in a thread as it is."""
    waits = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)

    assert [node.lineno for node in ast.walk(parsed(path)) if isinstance(node, waits)] == []


@every_domain
def test_a_domain_asks_no_clock_and_touches_nothing(path: Path) -> None:
    """Now and today are arguments; files and screens are for others."""
    clocks = [f"line {line}: {name}" for line, name in calls(path) if name in CLOCKS | HANDS]

    assert clocks == []


@pytest.mark.parametrize("path", modules("services"), ids=str)
def test_no_service_decides_about_delivery(path: Path) -> None:
    """Acknowledging, committing and the broker belong to the one wrapper in `shared/service`."""
    named = [
        f"line {node.lineno}: {node.attr}"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and node.attr in OF_THE_WRAPPER
    ]

    assert named == []


def test_few_rooms_of_shared_know_the_broker() -> None:
    """What is told goes through the outbox; a publisher anywhere else would go around it."""
    knows = {
        str(path)
        for path in modules("shared")
        if {"nats", "faststream"} & {name.split(".")[0] for name in imports(path)}
    }

    assert knows == {"shared/client/nats_door.py", "shared/service/bus.py", "shared/service/run.py"}


@pytest.mark.parametrize("path", modules(*PACKAGES), ids=str)
def test_a_module_says_in_a_sentence_what_is_in_it(path: Path) -> None:
    """The first paragraph of its docstring is that sentence."""
    told = ast.get_docstring(parsed(path)) or ""
    if "migrations" in path.parts or str(path) == "tests/__init__.py":
        return

    assert told, f"{path} has no docstring"
    assert told.split("\n\n")[0].rstrip().endswith((".", ":", "?"))


@pytest.mark.parametrize("package", PACKAGES)
def test_no_room_has_a_name_without_limits(package: str) -> None:
    """What may be put into `utils` has no end, so there is none."""
    rooms = {part.removesuffix(".py") for path in modules(package) for part in path.parts}

    assert not rooms & NO_ROOM
    assert not (package == "services" and "service" in rooms)
