"""Where a webhook may go: public addresses over TLS, and private networks that a setting lists."""

import re
from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from shared.vocabulary.errors import Coded

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

PORTS = (443, 8443)
LONGEST_URL = 2000  # characters

# is_global already refuses most; these also embed an IPv4 address, or changed between versions
NEVER = tuple(
    ip_network(told)
    for told in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "::/96", "::1/128", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48",
        "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16",
        "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    )
)  # fmt: skip
NUMBER = re.compile(r"^(0x[0-9a-f]*|[0-9]+)$", re.IGNORECASE)
LOCAL_NAMES = ("localhost", "local", "internal", "localdomain", "home", "lan")


class BadTarget(Coded, ValueError):
    """A webhook may not go there."""


def check_target(
    scheme: str, host: str, port: int | None, *, has_user: bool, networks: Iterable[Network]
) -> None:
    """
    Raise `BadTarget` unless a URL of these parts may be tried.

    A name is judged again by the addresses it has at each attempt: `check_address`.
    """
    networks = tuple(networks)
    if scheme not in ("https", "http"):
        raise BadTarget("url_refused/scheme", value=scheme)
    if has_user:
        raise BadTarget("url_refused/user")
    if not host or "%" in host:
        raise BadTarget("url_refused/host", value=host)
    last = host.rstrip(".").rsplit(".", 1)[-1]
    if ":" in host or NUMBER.match(last):
        check_address(_literal(host), scheme, port, networks)
        return
    if not networks:
        if last.lower() in LOCAL_NAMES or "." not in host.rstrip("."):
            raise BadTarget("url_refused/local", value=host)
        _check_wire(scheme, port)


def check_address(
    address: Address, scheme: str, port: int | None, networks: Iterable[Network]
) -> None:
    """
    Raise `BadTarget` unless a connection to *address* may be made.

    Inside *networks* everything is allowed, plain http too; elsewhere only public addresses by
    https on port 443 or 8443.
    """
    if any(address.version == one.version and address in one for one in networks):
        return
    if any(address.version == one.version and address in one for one in NEVER):
        raise BadTarget("url_refused/not_public", value=str(address))
    if not address.is_global or address.is_multicast or address.is_reserved:
        raise BadTarget("url_refused/not_public", value=str(address))
    _check_wire(scheme, port)


def _check_wire(scheme: str, port: int | None) -> None:
    if scheme != "https":
        raise BadTarget("url_refused/scheme", value=scheme)
    if port not in PORTS:
        raise BadTarget("url_refused/port", value=port, offered=PORTS)


def _literal(host: str) -> Address:
    try:
        return ip_address(host)
    except ValueError as error:
        raise BadTarget("url_refused/number", value=host) from error
