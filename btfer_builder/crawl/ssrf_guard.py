"""Guard against server-side request forgery: check addresses after resolution and when sockets are opened."""

import asyncio
import contextlib
import ipaddress
import re
import socket
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

#: Addresses that NAT64 translates to the IPv4 address in their last four bytes.
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
#: The globally routable IPv6 addresses.
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")

#: Top-level domains of names that are only known in a local network.
_LOCAL_DOMAINS = frozenset(
    ["localhost", "local", "localdomain", "internal", "intranet", "lan", "home", "corp", "private", "onion"]
)
_NUMERIC_HOST = re.compile(r"(?:0x[0-9a-f]+|\d+)(?:\.(?:0x[0-9a-f]+|\d+))*")


class PrivateAddressError(Exception):
    """A host has an address that is not public."""


def is_public(address: str) -> bool:
    """Return whether an IP address is globally reachable: not loopback, private, link-local, multicast, ..."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in NAT64:
            inner = ipaddress.IPv4Address(ip.packed[-4:])
        if inner:
            ip = inner
        elif ip not in GLOBAL_UNICAST:
            return False
    return ip.is_global and not ip.is_multicast


def is_loopback(host: str) -> bool:
    """Return whether the host of a URL can only be this machine; names are not resolved."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_public_url(url: str) -> bool:
    """Return whether an address is on the web for everybody, as far as it says: names are not resolved.

    It is http or https, has no user and password, and its host is no private or loopback address (in any notation),
    no name without a domain, and in no domain that is reserved for local networks.
    """
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".").lower()
        _ = parts.port
    except ValueError:
        return False
    if parts.scheme not in {"http", "https"} or not host or "@" in parts.netloc or "\\" in url:
        return False
    with contextlib.suppress(ValueError):
        return is_public(host)
    if _NUMERIC_HOST.fullmatch(host):
        try:
            return is_public(socket.inet_ntoa(socket.inet_aton(host)))  # 127.1, 2130706433, 0x7f000001
        except OSError:
            return False
    return "." in host and host.rpartition(".")[2] not in _LOCAL_DOMAINS and not host.endswith(".home.arpa")


def resolves_publicly(host: str) -> bool:
    """Return whether a host has addresses and all of them are public."""
    try:
        entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return bool(entries) and all(is_public(str(entry[4][0])) for entry in entries)
    except (OSError, ValueError):
        return False


class GuardedResolver(AbstractResolver):
    """Resolve each name in its own thread, and refuse a host that has any private address.

    A lookup may hang for half a minute and cannot be cancelled. In a thread pool, a few of them would block all other
    hosts; a daemon thread blocks neither other hosts nor the end of the program.
    """

    def __init__(self, *, allow_private: bool) -> None:
        self.allow_private = allow_private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host, the preferred one first."""
        addresses = await self.lookup(host, family)
        if not addresses:
            raise OSError(f"{host} has no address")
        if not self.allow_private:
            for address in addresses:
                if not is_public(address):
                    raise PrivateAddressError(f"{host} is {address}")
        return [
            ResolveResult(
                hostname=host, host=address, port=port, flags=socket.AI_NUMERICHOST, proto=0,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
            )
            for address in addresses
        ]  # fmt: skip

    async def lookup(self, host: str, family: int = 0) -> list[str]:
        """Return the addresses that the system's resolver gives."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[list[str]] = loop.create_future()

        def settle(addresses: list[str], error: Exception | None) -> None:
            if result.done():  # cancelled
                return
            if error:
                result.set_exception(error)
            else:
                result.set_result(addresses)

        def look_up() -> None:
            addresses: list[str] = []
            failure: Exception | None = None
            try:
                entries = socket.getaddrinfo(host, None, family=family, type=socket.SOCK_STREAM)
                addresses = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
            except (OSError, ValueError) as error:  # ValueError: a name that no resolver accepts
                failure = error if isinstance(error, OSError) else OSError(str(error))
            with contextlib.suppress(RuntimeError):  # the crawl is over
                loop.call_soon_threadsafe(settle, addresses, failure)

        threading.Thread(target=look_up, name=f"resolve {host[:40]}", daemon=True).start()
        return await result

    async def close(self) -> None:
        """Do nothing; there is nothing to close."""


def guarded_sockets(*, allow_private: bool) -> Callable[[Any], socket.socket]:
    """Return a socket factory that checks the address of each connection.

    It prevents DNS rebinding, where a name changes its address after it was checked, and it also checks numeric
    addresses, which are not resolved.
    """

    def open_socket(info: tuple[Any, ...]) -> socket.socket:
        family, kind, proto, _, (address, *_rest) = info
        try:
            allowed = allow_private or is_public(address)
        except ValueError:
            allowed = False
        if not allowed:
            raise PrivateAddressError(f"{address} is not a public address")
        return socket.socket(family, kind, proto)

    return open_socket
