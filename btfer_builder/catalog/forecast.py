"""How far each emotion is from a sample, and what the rates so far say about the rest."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from math import ceil, sqrt
from statistics import median

from btfer_builder.catalog.catalog import Catalog
from btfer_builder.catalog.item_counts import ItemCounts
from btfer_builder.labels import EMOTIONS, Emotion

#: Share of faces that are accepted, before anybody has reviewed any.
PRIOR_ACCEPTANCE = 0.3
#: Seconds for the review of a face, before enough was reviewed to know.
PRIOR_SECONDS = 3.0
#: Longer pauses between two decisions are breaks.
_BREAK = 60.0


@dataclass(frozen=True, slots=True)
class EmotionProgress:
    """The counts of one emotion: result pages asked for, images, faces, and what reviewers said of them.

    `purged` are accepted faces whose file was deleted.
    """

    emotion: Emotion
    requests: int
    images: int
    faces: int
    accepted: int
    rejected: int
    purged: int = 0

    @property
    def drawable(self) -> int:
        """Return the faces that a sample can draw."""
        return self.accepted - self.purged

    @property
    def waiting(self) -> int:
        """Return the faces that wait for a review."""
        return self.faces - self.accepted - self.rejected

    def acceptance(self) -> tuple[float, float, float]:
        """Return the share of reviewed faces that were accepted, and the bounds of its 95 % Wilson interval."""
        n, z = self.accepted + self.rejected, 1.96
        if not n:
            return PRIOR_ACCEPTANCE, 0.0, 1.0
        share = self.accepted / n
        centre = (share + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        return share, max(0.0, centre - half), min(1.0, centre + half)

    def missing_faces(self, per_class: int, share: float) -> float:
        """Return the faces that are missing if this share of those waiting is accepted."""
        return max(0.0, per_class - self.drawable - self.waiting * share)

    def missing_images(self, per_class: int) -> int:
        """Return the images that are likely to fill a class."""
        share = max(self.acceptance()[0], 0.01)
        per_image = self.faces / self.images if self.images and self.faces else 1.0
        return ceil(self.missing_faces(per_class, share) / (share * per_image))

    def requests_for(self, per_class: int, share: float) -> float | None:
        """Return the requests that fill a class at this share of acceptance; None if the rates cannot tell."""
        missing = self.missing_faces(per_class, share)
        if not missing:
            return 0.0
        if not (share and self.faces and self.requests):
            return None
        return missing / (share * self.faces / self.requests)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What one emotion still needs: requests, days at the limits of the engines, and hours of review.

    `requests`, `days` and `review_hours` are (expected, low, high); None where the rates so far cannot tell.
    """

    emotion: Emotion
    wanted: int
    accepted: int
    short: int
    waiting: int
    requests: tuple[float | None, float | None, float | None]
    days: tuple[float | None, float | None, float | None]
    review_hours: tuple[float | None, float | None, float | None]

    def to_dict(self) -> dict[str, object]:
        """Return the form of `btfer status --json`."""
        fields: dict[str, object] = {
            "emotion": self.emotion, "wanted": self.wanted, "accepted": self.accepted, "short": self.short,
            "waiting": self.waiting,
        }  # fmt: skip
        for name in ("requests", "days", "review_hours"):
            expected, low, high = (
                None if value is None else round(value, 2) for value in getattr(self, name)
            )
            fields[name] = {"expected": expected, "low": low, "high": high}
        return fields


def emotion_progress(catalog: Catalog, counts: ItemCounts | None = None) -> list[EmotionProgress]:
    """Count requests, images and faces by emotion, from `counts` where they are already counted."""
    counts = counts or ItemCounts(catalog)
    requests = {
        row[0]: row[1] for row in catalog.rows("SELECT emotion, sum(requests) FROM searches GROUP BY emotion")
    }
    images: Counter[object] = Counter()
    for image, n in counts.images:
        if image["state"] in {None, "kept"}:
            images[image["found_as"]] += n
    faces: dict[object, Counter[str]] = defaultdict(Counter)
    for face, n in counts.faces:
        if face["state"] == "kept":
            accepted = face["verdict"] == "accept" and not face["conflict"]
            faces[face["emotion"]].update(
                faces=n,
                accepted=n * accepted,
                rejected=n * (face["verdict"] == "reject"),
                purged=n * bool(accepted and face["purged"]),
            )
    return [
        EmotionProgress(
            emotion,
            requests.get(emotion) or 0,
            images[emotion],
            **{name: faces[emotion][name] for name in ("faces", "accepted", "rejected", "purged")},
        )
        for emotion in EMOTIONS
    ]


def review_seconds(catalog: Catalog) -> float:
    """Return the median seconds between two decisions on faces of one reviewer, without breaks."""
    rows = catalog.rows(
        """SELECT seconds FROM (
               SELECT (julianday(d.decided_at) - julianday((
                          SELECT before.decided_at FROM decisions before
                          WHERE before.kind = 'face' AND before.reviewer = d.reviewer
                            AND before.decision_id < d.decision_id ORDER BY before.decision_id DESC LIMIT 1))) * 86400
                      AS seconds
               FROM decisions d WHERE d.kind = 'face' ORDER BY d.decision_id DESC LIMIT 2000)
           WHERE seconds > 0.05 AND seconds < ?""",
        _BREAK,
    )
    return median(row[0] for row in rows) if len(rows) >= 20 else PRIOR_SECONDS


def forecasts(
    catalog: Catalog, per_class: int, requests_per_day: float, counts: ItemCounts | None = None
) -> list[Forecast]:
    """Return what each emotion still needs for a sample.

    Parameters
    ----------
    catalog
        The catalog.
    per_class
        Faces wanted of each emotion.
    requests_per_day
        Result pages that the engines allow in a day.
    counts
        The items of the funnel, if they are already counted.
    """
    seconds = review_seconds(catalog)
    lines = []
    for item in emotion_progress(catalog, counts):
        share, low, high = item.acceptance()
        requests = [item.requests_for(per_class, value) for value in (share, high, low)]
        per_request = item.faces / item.requests if item.requests else 0.0
        short = max(0, per_class - item.drawable)
        hours = [
            None if number is None else (min(item.waiting, short / value) if value else item.waiting)
            * seconds / 3600 + number * per_request * seconds / 3600
            for number, value in zip(requests, (share, high, low), strict=True)
        ]  # fmt: skip
        days = [None if number is None else number / requests_per_day for number in requests]
        lines.append(
            Forecast(
                item.emotion, per_class, item.accepted, short, item.waiting,
                (requests[0], requests[1], requests[2]), (days[0], days[1], days[2]), (hours[0], hours[1], hours[2]),
            )
        )  # fmt: skip
    return lines
