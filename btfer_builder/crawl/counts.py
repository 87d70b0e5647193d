"""The counts of a crawl under way, shared by its threads and shown on one line."""

import threading
from dataclasses import dataclass, field


@dataclass
class Counts:
    """What was searched and fetched so far; the numbers are only ever added to, under a lock."""

    searched: int = 0
    to_search: int = 0
    fetched: int = 0
    to_fetch: int = 0
    kept: int = 0
    #: How often in a row the fetching side found nothing to do.
    idle: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, **numbers: int) -> None:
        """Add to some of the counts."""
        with self._lock:
            for name, number in numbers.items():
                setattr(self, name, getattr(self, name) + number)

    def __str__(self) -> str:
        """Return the line."""
        searches = f"{self.searched}/{self.to_search} searches, " if self.to_search else ""
        return f"crawl: {searches}{self.fetched}/{self.to_fetch} files, {self.kept} images"
