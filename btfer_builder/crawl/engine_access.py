"""How an engine may be asked: its pause, its requests for a day, and the account of the user."""

import math
import os
import re
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import requests

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.searches import DAY, add_request, requests_sent
from btfer_builder.crawl.rate_limit import Clock, RateLimiter
from btfer_builder.io.terminal import echo_stderr

#: A token is renewed so many seconds before it expires, or at half its time if that is shorter.
RENEW_EARLY = 300.0
#: Requests come in this much slower than a limit allows: two may arrive closer together than they were sent.
_SLACK = 1.05
_PERIODS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY}


@dataclass(frozen=True)
class Limits:
    """Least seconds between two requests, and most requests in 24 hours (0: not limited)."""

    pause: float
    per_day: int = 0

    @property
    def daily(self) -> float:
        """Return the most requests in 24 hours."""
        fast = DAY / max(self.pause, 0.01)
        return min(fast, self.per_day) if self.per_day else fast

    def seconds(self, number: int, left: int | None = None) -> float:
        """Return the seconds that so many requests take at least.

        Parameters
        ----------
        number
            The requests.
        left
            How many are left of the first day; None: all.
        """
        today = self.per_day if left is None else left
        if not self.per_day or number <= today:
            return number * self.pause
        later = number - today
        return -(-later // self.per_day) * DAY + ((later - 1) % self.per_day + 1) * self.pause


@dataclass(frozen=True)
class Account:
    """Registered users of an engine, who may ask more of it.

    Parameters
    ----------
    token
        Environment variable with an access token.
    client_id, client_secret
        Environment variables with client credentials (OAuth 2.0), for which the engine gives tokens.
    token_url
        Where it gives them.
    header
        Header in the answers to registered users: without it, the engine treats a request as anonymous.
    limits
        Limits of registered users.
    """

    token: str
    client_id: str
    client_secret: str
    token_url: str
    header: str
    limits: Limits

    def credentials(self, clock: Clock | None = None) -> "Credentials | None":
        """Return the user's credentials, if the environment has any."""
        token, client, secret = (
            os.environ.get(name, "") for name in (self.token, self.client_id, self.client_secret)
        )
        if token or (client and secret):
            return Credentials(self, client if client and secret else "", secret, token, clock or Clock())
        return None


class TokenError(Exception):
    """The engine gives no token for the credentials."""


class Credentials(requests.auth.AuthBase):
    """Add an access token to requests; tokens for client credentials are fetched, and renewed before they expire."""

    def __init__(self, account: Account, client: str, secret: str, token: str, clock: Clock) -> None:
        self.account, self._client, self._secret, self._clock = account, client, secret, clock
        self._token, self._renew_at = ("", 0.0) if client else (token, math.inf)
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """What the requests of this user are counted under; no secret."""
        return self._client or "token"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign a request."""
        request.headers["Authorization"] = f"Bearer {self._valid_token()}"
        return request

    def expire(self) -> bool:
        """Drop a token that the engine does not know any more, and return whether there can be another."""
        with self._lock:
            self._renew_at = 0.0 if self._client else self._renew_at
        return bool(self._client)

    def _valid_token(self) -> str:
        with self._lock:
            if not self._clock.time() < self._renew_at:
                self._token, seconds = self._fetch()
                self._renew_at = self._clock.time() + max(seconds - RENEW_EARLY, seconds / 2)
            return self._token

    def _fetch(self) -> tuple[str, float]:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(
                self.account.token_url,
                data={
                    "grant_type": "client_credentials",
                    "client_id": self._client,
                    "client_secret": self._secret,
                },
                timeout=15,
                allow_redirects=False,
            )
        names = f"{self.account.client_id} and {self.account.client_secret}"
        if (
            answer.status_code == 429 or answer.status_code >= 500
        ):  # no matter of the credentials: tried again
            raise requests.ConnectionError(f"HTTP {answer.status_code} from {self.account.token_url}")
        if answer.status_code != 200:
            raise TokenError(f"HTTP {answer.status_code} from {self.account.token_url}: check {names}")
        try:
            content = answer.json()
            token, seconds = content["access_token"], float(content["expires_in"])
        except (ValueError, KeyError, TypeError):
            raise TokenError(f"{self.account.token_url} gives no token: check {names}") from None
        if not (isinstance(token, str) and token.isascii() and token.isprintable() and token and seconds > 0):
            raise TokenError(f"{self.account.token_url} gives no token: check {names}")
        return token, seconds


class BudgetSpentError(Exception):
    """The requests of 24 hours are used up, or the engine asks for a long pause; `until` in seconds since 1970."""

    def __init__(self, until: float, per_day: int = 0) -> None:
        used = f"its {per_day:,} requests for 24 hours are used up" if per_day else "it asks for a long pause"
        super().__init__(f"{used}; it can be asked again at {local_time(until)}")
        self.until = until


class EngineAccess:
    """Ask an engine within its limits; shared by all threads that request its pages.

    Parameters
    ----------
    name
        The engine's, for messages and for the count of its requests.
    limits
        Limits of anonymous users.
    credentials
        Those of the user, if there are any: then the account's limits hold, until an answer states others.
    catalog
        Where requests are counted over several crawls; None: nowhere.
    least_pause
        Seconds between two requests that the user wants at least.
    clock
        The time.
    """

    def __init__(
        self,
        name: str,
        limits: Limits,
        credentials: Credentials | None = None,
        catalog: Catalog | None = None,
        *,
        least_pause: float = 0.0,
        clock: Clock | None = None,
    ) -> None:
        self.name, self.credentials, self.clock = name, credentials, clock or Clock()
        self._anonymous, self._catalog, self._least_pause = limits, catalog, least_pause
        self._lock = threading.Lock()
        self.limits = self._paced(credentials.account.limits if credentials else limits)
        self.limiter = RateLimiter(self.limits.pause, self.clock)
        self._account = credentials.name if credentials else ""
        self._sent = self._history()

    @property
    def left(self) -> int | None:
        """Return how many requests are left now; None if they are not limited."""
        with self._lock:
            self._forget()
            return max(0, self.limits.per_day - len(self._sent)) if self.limits.per_day else None

    def take(self) -> None:
        """Count a request that is about to be sent.

        Raises
        ------
        BudgetSpentError
            If there is none left.
        """
        if not self.limits.per_day:
            return
        with self._lock:
            now = self._forget()
            per_day = self.limits.per_day
            if len(self._sent) >= per_day:
                raise BudgetSpentError(self._sent[len(self._sent) - per_day] + DAY, per_day)
            self._count(now)

    def learn(self, headers: Mapping[str, str]) -> None:
        """Adopt what a successful answer says: whether it knows the account, and the limits it grants."""
        if not self.limits.per_day:
            return
        with self._lock:
            if self.credentials and self._account and self.credentials.account.header not in headers:
                self._account, self.limits = "", self._paced(self._anonymous)
                self._sent = self._history()
                self._count(self.clock.time())  # the request that is answered
                echo_stderr(
                    f"{self.name}: the account is not recognized, requests are treated as anonymous and limited to "
                    f"{self.limits.per_day} a day; check its credentials"
                )
            self.limits = self._paced(granted_limits(headers, self.limits))
            self.limiter.set_interval(self.limits.pause)

    def _paced(self, limits: Limits) -> Limits:
        return replace(limits, pause=max(limits.pause, self._least_pause))

    def _history(self) -> deque[float]:
        if not self._catalog:
            return deque()
        return deque(requests_sent(self._catalog, self.name, self._account, self.clock.time() - DAY))

    def _count(self, now: float) -> None:
        self._sent.append(now)
        if self._catalog:
            add_request(self._catalog, self.name, self._account, now)

    def _forget(self) -> float:
        now = self.clock.time()
        while self._sent and self._sent[0] <= now - DAY:
            self._sent.popleft()
        return now


def granted_limits(headers: Mapping[str, str], default: Limits) -> Limits:
    """Return the limits that an answer states, as in `X-RateLimit-Limit-anon_burst: 20/min`.

    Parameters
    ----------
    headers
        Headers of the answer.
    default
        Limits that hold where it states none.
    """
    pauses: list[tuple[int, float]] = []
    days: list[tuple[int, float]] = []
    for name, value in headers.items():
        stated = re.fullmatch(r"(\d{1,9})/([smhd])[a-z]*", value.strip())
        if name.lower().startswith("x-ratelimit-limit") and stated and int(stated[1]):
            (days if stated[2] == "d" else pauses).append((int(stated[1]), _PERIODS[stated[2]]))
    pause = max((_SLACK * seconds / number for number, seconds in pauses), default=default.pause)
    return Limits(pause, min((number for number, _ in days), default=default.per_day))


def local_time(seconds: float) -> str:
    """Return a time (seconds since 1970) as date, hour and minute here."""
    return datetime.fromtimestamp(seconds).astimezone().isoformat(" ", "minutes")
