"""Where the platform may connect to: what a URL may look like, and which addresses its name may stand for."""

import re
import socket
import threading
import time
from concurrent.futures import Future
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, NamedTuple
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address

_URL = re.compile(r"[!-~]{1,2048}")
# The last label starts with a letter, so that no way of writing an IP address is taken for a name.
_NAME = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")

# What development may reach and production may not.
_LOCAL: Final = tuple(map(ip_network, ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")))
# What is never an operator's server. `ipaddress.is_global` says yes to several of these, differently by Python version.
_NEVER: Final = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # this network, unspecified
            "100.64.0.0/10",  # carrier-grade NAT
            "168.63.129.16/32",  # Azure's platform, inside every virtual machine there
            "169.254.0.0/16",  # link-local, where clouds keep credentials
            "192.0.0.0/24",  # protocol assignments
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # 6to4 relays
            "198.18.0.0/15",  # benchmarking
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast
            # All of IPv6 but 2000::/3: unspecified, NAT64 (64:ff9b::/96, 64:ff9b:1::/48), 5f00::/16, link-local, multicast, …
            "::/3",
            "4000::/2",
            "8000::/1",
            "2001::/23",  # protocol assignments, Teredo, benchmarking
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4
            "3fff::/20",  # documentation
        ),
    )
)


class NotSent(Exception):
    """Not a byte of the request was written: nothing can have happened at the other end. `reason` is a sentence."""

    def __init__(self, reason: str) -> None:
        """Say in `reason` what was in the way."""
        super().__init__(reason)
        self.reason = reason


class UnacceptableURL(NotSent):
    """The URL is not one that this platform calls; the reason tells an operator how to put it right."""


class Origin(NamedTuple):
    """What a connection leads to, and under which rules it was made."""

    scheme: str
    host: str
    port: int
    allow_private: bool


class Target(NamedTuple):
    """A URL, taken apart: `authority` stands in the Host header, `path` and `query` (with its `?`) in the request line."""

    origin: Origin
    authority: str
    path: str
    query: str


def check_url(url: str, *, allow_private: bool) -> None:
    """Raise `UnacceptableURL` unless `url` may be saved as an operator's address.

    https on port 443, a host name with a dot, no user name, no fragment, 2,048 ASCII characters at most; with
    `allow_private` also http, any port, and hosts of this machine or its private network. No name is resolved: what it
    resolves to is checked at each new connection, because it can change after this.
    """
    parse(url=url, allow_private=allow_private)


def request_path(url: str) -> str:
    """Return the path as it will stand in the request line, without query: what a signature covers.

    Raises `UnacceptableURL` for what no setting makes acceptable.
    """
    return parse(url=url, allow_private=True).path


@lru_cache(maxsize=4096)
def parse(*, url: str, allow_private: bool) -> Target:
    """Return the parts of `url`. Raises `UnacceptableURL` under the rules of `check_url`."""
    if not _URL.fullmatch(url):
        raise UnacceptableURL("The URL must be 1 to 2048 ASCII characters without spaces; percent-encode what is not ASCII.")
    malformed = UnacceptableURL("The URL is not well-formed. Write it like https://wallet.example.com/path.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise malformed from error
    if parts.scheme != "https" and not (allow_private and parts.scheme == "http"):
        raise UnacceptableURL("The URL must start with https://.")
    if "@" in parts.netloc:
        raise UnacceptableURL("The URL must not hold a user name or password.")
    if "#" in url:
        raise UnacceptableURL("The URL must not hold a fragment; leave out # and what follows it.")
    usual_port = 443 if parts.scheme == "https" else 80
    host = parts.hostname or ""
    authority = f"[{host}]" if ":" in host else host
    if port not in {None, usual_port}:
        authority = f"{authority}:{port}"
    if parts.netloc.lower() not in {authority, f"{authority}:{usual_port}"} or port == 0 or "\\" in url:
        raise malformed
    _check_host(host, port, allow_private=allow_private)
    origin = Origin(parts.scheme, host, port or usual_port, allow_private)
    return Target(origin, authority, parts.path or "/", f"?{parts.query}" if parts.query else "")


def resolve(origin: Origin, *, deadline: float) -> list[Address]:
    """Return the addresses of the origin's host, all of them checked, within `deadline` on the monotonic clock.

    Raises `NotSent` when one of them is not to be called, `OSError` when there is none to be had in time.
    """
    literal = _literal(origin.host)
    found = [literal] if literal else [ip_address(text) for text in _lookup(origin.host, deadline)]
    addresses = [getattr(address, "ipv4_mapped", None) or address for address in found]
    if not all(_is_allowed(address, allow_private=origin.allow_private) for address in addresses):
        raise NotSent(f"{origin.host} is at an address that is not public, so it is not called.")
    return addresses


def _check_host(host: str, port: int | None, *, allow_private: bool) -> None:
    literal = _literal(host)
    if "%" in host or not (literal or _NAME.fullmatch(host)):
        raise UnacceptableURL("The URL's host is not a host name. Write names in other scripts in their xn-- form.")
    if not allow_private:
        if port not in {None, 443}:
            raise UnacceptableURL("The URL must use port 443; leave the port out.")
        if literal or "." not in host:
            raise UnacceptableURL("The URL must name a public host, such as wallet.example.com, and not an IP address.")


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_allowed(address: Address, *, allow_private: bool) -> bool:
    if any(address in network for network in _LOCAL):
        return allow_private
    return not any(address in network for network in _NEVER)


# The system's resolver knows no deadline, so it works in a thread that the caller may leave behind. One lookup a name at a
# time: a name whose servers are slow holds one thread, however many calls wait for it.
_lookups: dict[str, Future[list[str]]] = {}
_lookups_lock: Final = threading.Lock()


def _lookup(host: str, deadline: float) -> list[str]:
    with _lookups_lock:
        lookup = _lookups.get(host)
        if lookup is None:
            lookup = Future()
            threading.Thread(target=_look_up, args=(host, lookup), name=f"lookup {host}", daemon=True).start()
            _lookups[host] = lookup
    try:
        return lookup.result(deadline - time.monotonic())
    except TimeoutError as error:
        raise TimeoutError("the name was not resolved in time") from error


def _look_up(host: str, lookup: Future[list[str]]) -> None:
    try:
        try:
            infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        finally:
            # Before it is answered, so that nobody who asks afterwards is given what was found for others.
            with _lookups_lock:
                del _lookups[host]
    except OSError as error:
        lookup.set_exception(error)
    else:
        lookup.set_result(list(dict.fromkeys(str(info[4][0]) for info in infos)))
