"""Which addresses may be contacted: checked after the name is resolved, at every connection."""

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

import anyio
import httpcore

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


class GuardedBackend(httpcore.AnyIOBackend):
    """Connects to the address it has checked, so a name cannot point elsewhere a moment later (rebinding)."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve, refuse a host with any private address, connect to the first address that answers."""
        try:
            found = await self.resolve(host, port)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from None
        for address in found:
            if not is_public(address):
                raise PrivateAddressError(f"{host} is {address}")
        failure = httpcore.ConnectError(f"{host} has no address")
        for address in found:
            try:
                return await super().connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.ConnectError as error:
                failure = error
        raise failure

    async def resolve(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host, the best first."""
        found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [str(entry[4][0]) for entry in found]
