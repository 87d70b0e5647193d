"""The network: whether each search engine of the settings answers."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import requests

from btfer_builder.config import CrawlRecipe
from btfer_builder.crawl.engines import SEARCH_ENGINES
from btfer_builder.doctor.findings import Finding

#: Seconds to wait for a connection, and for an answer.
TIMEOUT = (5, 10)

_UNREACHABLE = "cannot be reached"


def network_findings(recipe: CrawlRecipe) -> Iterator[Finding]:
    """Ask the address of each search engine of a recipe for one page; nothing is searched for."""
    engines = [name for name in dict.fromkeys(recipe.engine) if name in SEARCH_ENGINES]
    with ThreadPoolExecutor(max(len(engines), 1)) as threads:
        findings = list(threads.map(lambda name: _ask(name, recipe), engines))
    if findings and all(finding.found.endswith(_UNREACHABLE) for finding in findings):
        yield Finding(
            "network",
            "problem",
            f"no search engine can be reached ({', '.join(engines)})",
            "check the connection and the proxy (HTTPS_PROXY); own pictures need none: btfer crawl --engine folder",
        )
    else:
        yield from findings
    for name in engines:
        key = SEARCH_ENGINES[name].key
        if key and not os.environ.get(key):
            yield Finding(
                f"engine {name}", "problem", f"{key} is not set", f"set the environment variable {key}"
            )


def _ask(name: str, recipe: CrawlRecipe) -> Finding:
    url = recipe.engine_url.get(name) or SEARCH_ENGINES[name].base_url
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}/"
    subject = f"engine {name}"
    try:
        with requests.get(origin, timeout=TIMEOUT, allow_redirects=False, stream=True) as answer:
            status = answer.status_code
    except requests.exceptions.SSLError:
        return Finding(
            subject, "problem", f"{origin} has no valid certificate", "check the clock and the proxy"
        )
    except requests.exceptions.Timeout:
        return Finding(
            subject, "problem", f"{origin} does not answer in time", "try again later, or check the proxy"
        )
    except (requests.exceptions.RequestException, OSError):
        return Finding(subject, "problem", f"{origin} {_UNREACHABLE}", "check the connection and the proxy")
    if status >= 500:
        return Finding(subject, "note", f"{origin} answers {status}: it has a fault now", "try again later")
    return Finding(subject, "ok", f"{origin} answers")
