"""Whether the search engines can be reached at all, asked before a crawl: offline is one error, not one a search."""

import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies

from btfer_builder.config import CrawlRecipe
from btfer_builder.crawl.engines import SEARCH_ENGINES
from btfer_builder.crawl.ssrf_guard import is_loopback
from btfer_builder.errors import BtferError

#: Seconds to wait for a connection.
PATIENCE = 5.0


class OfflineError(BtferError):
    """None of the search engines can be reached; nothing was asked."""


def require_network(recipe: CrawlRecipe) -> None:
    """Refuse a crawl if none of its search engines can be reached.

    Raises
    ------
    OfflineError
        If no engine, or no proxy of the environment, takes a connection. Engines on this computer are not asked.
    """
    urls = [
        recipe.engine_url.get(name) or SEARCH_ENGINES[name].base_url
        for name in dict.fromkeys(recipe.engine)
        if name in SEARCH_ENGINES
    ]
    hosts = [urlsplit(url).hostname or "" for url in urls]
    if not urls or len(urls) < len(set(recipe.engine)) or any(map(is_loopback, hosts)):
        return
    with ThreadPoolExecutor(len(urls)) as threads:
        if any(threads.map(takes_connections, urls)):
            return
    raise OfflineError(
        f"offline: {', '.join(hosts)} cannot be reached. Check the connection and the proxy (btfer doctor); own "
        "pictures need none: btfer crawl --engine folder --path FOLDER"
    )


def takes_connections(url: str) -> bool:
    """Return whether the host of an address, or the proxy on the way to it, takes a connection."""
    scheme = urlsplit(url).scheme
    proxies = get_environ_proxies(url)
    first = urlsplit(proxies.get(scheme) or proxies.get("all") or url)
    try:
        port = first.port or (443 if first.scheme == "https" else 80)
        socket.create_connection((first.hostname or "", port), PATIENCE).close()
    except (OSError, ValueError):
        return False
    return True
