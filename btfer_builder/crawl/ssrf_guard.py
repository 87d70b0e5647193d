"""Which addresses may be contacted: checked after the name is resolved, and again as each socket is opened."""

import asyncio
import contextlib
import ipaddress
import socket
import threading
from collections.abc import Callable
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

#: What a translator on the way (NAT64) turns into the IPv4 address of the last four bytes.
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
#: All IPv6 addresses that are given out to be reached from anywhere.
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")


class PrivateAddressError(Exception):
    """A host whose address is not a public one."""


def is_public(address: str) -> bool:
    """Return whether an IP address is reachable from anywhere: not loopback, private, link-local, multicast..."""
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
    """Return whether a host, as an address names it, can only be this machine; no name is resolved."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def resolves_publicly(host: str) -> bool:
    """Return whether all addresses of a host are public; one that has none is not."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return bool(found) and all(is_public(str(entry[4][0])) for entry in found)
    except (OSError, ValueError):
        return False


class GuardedResolver(AbstractResolver):
    """Resolves names, each in a thread of its own, and refuses a host that has any private address.

    A lookup may hang for half a minute and cannot be stopped. In a pool of threads a few of them would hold up all
    other hosts; a daemon's thread holds up nobody, not even the end of the program.
    """

    def __init__(self, *, allow_private: bool) -> None:
        self.allow_private = allow_private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host, the best first."""
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
        """Return what the system's resolver says."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[str]] = loop.create_future()

        def settle(addresses: list[str], error: Exception | None) -> None:
            if found.done():  # nobody waits for it any more
                return
            if error:
                found.set_exception(error)
            else:
                found.set_result(addresses)

        def ask() -> None:
            addresses: list[str] = []
            failure: Exception | None = None
            try:
                entries = socket.getaddrinfo(host, None, family=family, type=socket.SOCK_STREAM)
                addresses = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
            except (OSError, ValueError) as error:  # a ValueError: a name no resolver takes
                failure = error if isinstance(error, OSError) else OSError(str(error))
            with contextlib.suppress(RuntimeError):  # the crawl is over
                loop.call_soon_threadsafe(settle, addresses, failure)

        threading.Thread(target=ask, name=f"resolve {host[:40]}", daemon=True).start()
        return await found

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""


def guarded_sockets(*, allow_private: bool) -> Callable[[Any], socket.socket]:
    """Return what opens every socket: it looks at the very address that is connected to.

    So a name cannot point elsewhere a moment after it was checked (rebinding), and an address written as a number,
    which no resolver is asked about, is checked like any other.
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
