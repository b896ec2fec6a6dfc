"""What no sane system sends: values, bodies and headers that once broke somebody's service."""

import json
from typing import Any

from hypothesis import strategies as st

NUMBERS = (0, -1, 2**31, 2**63, -(2**63) - 1, 10**400, 1e308, -0.0, 1e-320,
           float("nan"), float("inf"))  # fmt: skip
TEXTS = (
    "", " ", "\0", "a\0b", "\ud800", "\u202e\u2066", "é" * 300, "𝕏" * 5000, "٣", "%00", "%ff",
    "../..", "'; --", '"', "\\", "\r\nX-More: 1", "{0.__class__}", "{value}", "%s%n", "=1+1",
    "null", "NaN", "0000-00-00", "9999-12-31", "10000-01-01", "2027-02-30", "-1", "1e999",
    "9" * 5000, "2027-03-01T00:00:00", "2027-03-01T00:00:00+99:99", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-12:00", "٢٠٢٧-٠٣-٠١", "00000000-0000-0000-0000-000000000000",
    "\N{LATIN SMALL LETTER SHARP S}", "i\N{COMBINING DOT ABOVE}", "\x7f", "\u2028",
)  # fmt: skip
"""What texts break on: NUL, half characters, direction, length, formulas, dates, digits."""

_leaves = (
    st.sampled_from(TEXTS) | st.sampled_from(NUMBERS) | st.none() | st.booleans()
    | st.text(max_size=20) | st.integers() | st.floats()
)  # fmt: skip
values = st.recursive(
    _leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
"""Any JSON value, and the numbers that JSON has no name for."""

RAW = (
    b"", b"{", b"}", b"[]", b"null", b'""', b"0", b"NaN", b"[NaN,Infinity,-Infinity]",
    b"\xff\xfe{}",     b"\xef\xbb\xbf{}", b"\0", b'{"a":1,"a":2}', b'{"a":' * 3000, b"[" * 100_000,
    b"[" * 500 + b"]" * 500, b'{"a":"\\ud800"}', b'{"\\u0000":"\\u0000"}', b"9" * 20_000,
    b'{"tonnes":1e999}', b"{}" * 2, b"a=1&b=2", b"--x\r\n\r\n--x--", b"\x1f\x8b\x08\0",
)  # fmt: skip


def written(told: Any) -> bytes:
    """*told* as JSON, with what JSON cannot say as Python writes it."""
    try:
        return json.dumps(told).encode()
    except ValueError:  # an integer of more digits than Python writes
        return b"9" * 6000


@st.composite
def mutated(draw: st.DrawFn, told: dict[str, Any]) -> bytes:
    """*told* with a few things wrong: dropped, swapped, of another type, deeper, said twice."""
    told = json.loads(json.dumps(told))
    twice = ""
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(sorted(told) or ["x"]))
        match draw(st.sampled_from(("drop", "value", "swap", "more", "inside", "twice"))):
            case "drop":
                told.pop(name, None)
            case "value":
                told[name] = draw(values)
            case "swap":
                other = draw(st.sampled_from(sorted(told) or ["x"]))
                told[name], told[other] = told.get(other), told.get(name)
            case "more":
                told[draw(st.text(max_size=12))] = draw(values)
            case "inside":
                told[name] = draw(st.sampled_from(([told.get(name)], {name: told.get(name)})))
            case "twice":
                twice = f",{json.dumps(name)}:{written(draw(values)).decode()}"
    body = written(told)
    if twice and len(told):
        body = body[:-1] + twice.encode() + b"}"
    if draw(st.integers(0, 19)) == 0:
        cut = draw(st.integers(0, len(body)))
        body = body[:cut] + draw(st.sampled_from((b"", b"\xff", b"\0", b"}"))) + body[cut + 1 :]
    return body


HEADERS: dict[str, tuple[str, ...]] = {
    "Accept-Language": ("fi", "sv", "en", "xx", "*", "fi;q=0,sv", ",,,", "fi" * 2000, "\xe4"),
    "Idempotency-Key": ("k", "k" * 201, '"k"', " ", "%00", "%ff", "\xe4", "a b"),
    "If-Match": ('"1"', "*", "1", '""', "W/\"1\"", '"999999999999999999999"', '"a"', "\xe4", ","),
    "If-None-Match": ("*", '"1"', "\xe4", '"' + "9" * 5000 + '"'),
    "X-Correlation-Id": ("c", "c" * 5000, "%00", "\xe4", " "),
    "X-Tab": ("t", "t" * 3000, "\xe4", "%00"),
    "Content-Type": ("application/json", "text/plain", "application/cloudevents+json", "",
                     "application/cloudevents-batch+json", "multipart/form-data", "a/b; charset=xx",
                     "multipart/form-data; boundary=x", "application/x-www-form-urlencoded",
                     "application/json; charset=utf-16", "\xe4"),
    "Accept": ("text/csv", "text/html", "*/*", "\xe4", "application/xml"),
    "Cookie": ("massakoppi_session=x", "massakoppi_language=xx; a", "massakoppi_signin=\xe4"),
    "Authorization": ("Bearer", "Bearer x.y.z", "Basic eDp4", "Bearer \xe4",
                      "bearer " + "a" * 3000),
    "Content-Encoding": ("gzip", "xx"),
    "Range": ("bytes=0-1", "x"),
}  # fmt: skip
headers = st.dictionaries(st.sampled_from(sorted(HEADERS)), st.none(), max_size=3).flatmap(
    lambda names: st.fixed_dictionaries({name: st.sampled_from(HEADERS[name]) for name in names})
)
"""Up to three headers that are read somewhere, with values that are not always what is expected."""
