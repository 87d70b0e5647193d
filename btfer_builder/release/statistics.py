"""The numbers of a release's card, datasheet, Croissant file and release.json."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from btfer_builder import __version__
from btfer_builder.catalog import Catalog
from btfer_builder.catalog.agreement import votes
from btfer_builder.catalog.drop_rates import DropRates, drop_rates
from btfer_builder.catalog.funnel import StageCount, funnel
from btfer_builder.catalog.purge import PurgedFiles, count_purged
from btfer_builder.catalog.release import AttributeYield, faces_of_version, query_yields, version_of
from btfer_builder.catalog.sample import ATTRIBUTES
from btfer_builder.config import ReleaseRecipe
from btfer_builder.crawl.licenses import UNKNOWN
from btfer_builder.labels import EMOTIONS
from btfer_builder.release.diff import ReleaseDiff, diff_faces
from btfer_builder.release.released_faces import (
    NO_DERIVATIVES,
    ReleasedFace,
    content_hash,
    members,
    splits_of,
)
from btfer_builder.release.schema import QUERY_VALUES
from btfer_builder.release.writers.figures import group_counts
from btfer_builder.sample.provenance import LICENSES, host_of


@dataclass(frozen=True)
class ReleaseStatistics:
    """The statistics of a release.

    Attributes
    ----------
    per_split
        Number of faces of each class, in the order of the emotions, by split.
    groups
        For each attribute, the share of the faces with each value: (value, share).
    agreement
        Mean share of the reviewers who gave a face its label.
    unanimous
        Share of the faces on which all reviewers agree.
    reviewers
        Number of faces by the number of their reviewers.
    kappa
        Fleiss' κ on the faces that all reviewers answered; None if it is not defined.
    upscaled
        Number of faces that were enlarged.
    own_consent
        Number of faces of own pictures by the consent of the person shown: yes, no, unknown.
    top_host
        Largest share of faces from one website.
    drop_rates
        Drop rates of each stage by emotion.
    period
        First and last day on which a photo was fetched; empty if unknown.
    change
        Difference to the previous version; None for the first.
    purged
        Photos and faces whose files the makers have deleted; None if they kept all.
    """

    recipe: ReleaseRecipe
    version: int
    content_hash: str
    total: int
    size: int
    per_split: dict[str, list[int]]
    groups: dict[str, list[tuple[str, float]]]
    licenses: dict[str, int]
    agreement: float
    unanimous: float
    reviewers: dict[int, int]
    kappa: float | None
    upscaled: int
    own_consent: dict[str, int]
    top_host: float
    period: str
    stages: list[StageCount]
    drop_rates: list[DropRates]
    yields: list[AttributeYield]
    previous: str
    change: ReleaseDiff | None
    purged: PurgedFiles | None

    @property
    def redistributable(self) -> bool:
        """Whether it may be passed on: it has no images, or all of them have a licence."""
        return self.recipe.urls_only or not self.licenses.get(UNKNOWN)

    @property
    def own(self) -> int:
        """Number of faces of the authors' own pictures."""
        return sum(self.own_consent.values())

    @property
    def consent_text(self) -> str:
        """What is known of the consent of the people in own pictures, as a sentence."""
        verbs = {"yes": "consented", "no": "did not consent", "unknown": "may or may not have consented"}
        if len(self.own_consent) == 1:
            (answer,) = self.own_consent
            rest = "It is not recorded whether the people shown in them consented."
            return rest if answer == "unknown" else f"The people shown in them {verbs[answer]}."
        counts = [f"{count} {verbs[answer]}" for answer, count in self.own_consent.items()]
        return f"Of the people shown in them, {', '.join(counts)}."

    @property
    def short_hash(self) -> str:
        """First twelve digits of the content hash."""
        return self.content_hash[:12]

    @property
    def title(self) -> str:
        """Name, version and short hash."""
        return f"{self.recipe.name} v{self.version} ({self.short_hash})"

    @property
    def non_commercial(self) -> int:
        """Number of images that may not be used commercially."""
        return sum(count for code, count in self.licenses.items() if "-nc" in code)

    @property
    def no_derivatives(self) -> int:
        """Number of images under a NoDerivatives licence."""
        return sum(self.licenses.get(code, 0) for code in NO_DERIVATIVES)

    def to_dict(self) -> dict[str, Any]:
        """Return the content of release.json."""
        return {
            "name": self.recipe.name,
            "version": self.version,
            "content_hash": self.content_hash,
            "form": "urls" if self.recipe.urls_only else "images",
            "redistributable": self.redistributable,
            "faces": self.total,
            "splits": {
                split: dict(zip(EMOTIONS, counts, strict=True)) for split, counts in self.per_split.items()
            },
            "licenses": self.licenses,
            "made_with": f"btfer-builder {__version__}",
            "previous": self.previous or None,
            "changes": self.change and self.change.to_dict(),
            "query_values": sorted(
                {value for shares in self.groups.values() for value, _ in shares} - QUERY_VALUES
            ),
        }


def compute_statistics(
    catalog: Catalog, faces: Sequence[ReleasedFace], recipe: ReleaseRecipe
) -> ReleaseStatistics:
    """Compute the statistics of a release."""
    faces = list(faces)
    digest = content_hash(faces)
    version = version_of(catalog, digest)
    before = faces_of_version(catalog, version - 1)
    count = Counter((face.split, face.emotion) for face in faces)
    hosts = Counter(host_of(face.source) for face in faces)
    days = sorted(day for face in faces if (day := face.source.fetched_at[:10]))
    licenses = Counter(face.license for face in faces)
    size = faces[0].size
    stages = funnel(catalog)
    return ReleaseStatistics(
        recipe=recipe,
        version=version,
        content_hash=digest,
        total=len(faces),
        size=size,
        per_split={split: [count[split, emotion] for emotion in EMOTIONS] for split in splits_of(faces)},
        groups={name: _shares(faces, name) for name in ATTRIBUTES},
        licenses={code: licenses[code] for code in (*reversed(LICENSES), UNKNOWN) if licenses[code]},
        agreement=sum(face.face.agreement for face in faces) / len(faces),
        unanimous=sum(face.face.agreement == 1 for face in faces) / len(faces),
        reviewers=dict(sorted(Counter(face.face.votes for face in faces).items())),
        kappa=_kappa(catalog),
        upscaled=sum(max(face.box["crop_width"], face.box["crop_height"]) < size for face in faces),
        own_consent=dict(
            sorted(Counter(face.consent for face in faces if face.is_own).items(), reverse=True)
        ),
        top_host=max((n for host, n in hosts.items() if host), default=0) / len(faces),
        period=" to ".join(dict.fromkeys([days[0], days[-1]])) if days else "",
        stages=stages,
        drop_rates=drop_rates(stages),
        yields=query_yields(catalog),
        previous=before[0] if before else "",
        change=diff_faces(before[1], members(faces)) if before else None,
        purged=count_purged(catalog),
    )


def _shares(faces: Sequence[ReleasedFace], attribute: str) -> list[tuple[str, float]]:
    counts: Counter[str] = Counter()
    for (value, _), n in group_counts(faces, attribute).items():
        counts[value] += n
    return [
        (value, n / len(faces)) for value, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def _kappa(catalog: Catalog) -> float | None:
    """Return Fleiss' κ on the faces that all reviewers answered; None for one reviewer or without such faces."""
    ballots = votes(catalog, "face")
    reviewers = {vote.reviewer for vote in ballots}
    answers: dict[str, list[str]] = {}
    for vote in ballots:
        answers.setdefault(vote.item_id, []).append(vote.answer)
    shared = [given for _, given in sorted(answers.items()) if len(given) == len(reviewers)]
    if len(reviewers) < 2 or not shared:
        return None
    import numpy as np

    from btfer_builder.review.kappa import fleiss

    kinds = sorted({answer for given in shared for answer in given})
    counts = np.array([[given.count(kind) for kind in kinds] for given in shared])
    value = fleiss(counts, 1, 0.95, np.random.default_rng(0)).value
    return None if math.isnan(value) else value
