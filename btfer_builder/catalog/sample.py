"""Queries of the sample stage: which faces can be drawn, and which were."""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from btfer_builder.catalog.catalog import Catalog, insert, json_list, replace_rows
from btfer_builder.labels import Emotion
from btfer_builder.records import SampledFace, UnsampledFace


@dataclass(frozen=True, slots=True)
class AcceptedFace:
    """A face that reviewers accepted and whose label is settled.

    Attributes
    ----------
    agreement
        Share of the votes for its label, 0 to 1; 1 if an adjudicator settled it.
    votes
        Number of votes.
    attributes
        Attributes of the query, by name (`query_ethnicity`, `query_gender`, `query_age`).
    """

    face_id: str
    image_id: str
    emotion: Emotion
    path: str
    agreement: float
    votes: int
    attributes: dict[str, str]
    language: str


@dataclass(frozen=True, slots=True)
class Source:
    """A candidate that led to a photo, with what its engine states."""

    url: str
    page_url: str
    license: str
    license_url: str
    creator: str
    fetched_at: str = ""
    restrictions: str = ""
    attribution: str = ""
    consent: str = ""


ATTRIBUTES = ("query_ethnicity", "query_gender", "query_age")


def accepted_faces(catalog: Catalog) -> list[AcceptedFace]:
    """Return the faces that reviewers accepted and whose label is settled, by id."""
    rows = catalog.rows(
        # CROSS JOIN begins with the accepted ones: most faces of a large catalog are not reviewed.
        f"""SELECT f.face_id, f.image_id, f.emotion, f.path, f.votes, f.adjudicated, f.language, {", ".join(ATTRIBUTES)}
            FROM verdicts v CROSS JOIN face_rows f ON f.face_id = v.item_id
            WHERE v.kind = 'face' AND v.verdict = 'accept'
              AND f.state = 'kept' AND f.verdict = 'accept' AND NOT f.conflict ORDER BY f.face_id"""
    )
    return [
        AcceptedFace(
            row["face_id"],
            row["image_id"],
            row["emotion"],
            row["path"],
            *_agreement(row),
            {name: row[name] for name in ATTRIBUTES},
            row["language"],
        )
        for row in rows
    ]


def _agreement(row: sqlite3.Row) -> tuple[float, int]:
    """Return the share of the label and the number of votes, from `happy:3;sad:1`."""
    pairs = [vote.rpartition(":") for vote in (row["votes"] or "").split(";") if vote]
    votes = {answer: int(count) for answer, _, count in pairs}
    total = sum(votes.values())
    # An acceptance without a label is a vote for the proposed label, which the face then has.
    agreeing = max(votes.get(row["emotion"], 0), votes.get("accept", 0))
    return (1.0 if row["adjudicated"] or not total else agreeing / total), total


def sources(catalog: Catalog, image_ids: Iterable[str]) -> dict[str, list[Source]]:
    """Return the candidates that led to each image, by image id."""
    rows = catalog.connection.execute(
        """SELECT f.image_id, coalesce(nullif(c.found_url, ''), c.url), c.page_url, c.license, c.license_url,
                  c.creator, f.fetched_at, c.restrictions, c.attribution, c.consent
           FROM json_each(?) wanted CROSS JOIN fetches f ON f.image_id = wanted.value
           CROSS JOIN candidates c ON c.url = f.url ORDER BY c.candidate_id""",
        (json_list(image_ids),),
    )
    found: dict[str, list[Source]] = {}
    for image_id, *fields in rows:
        found.setdefault(image_id, []).append(Source(*fields))
    return found


def searched_cells(catalog: Catalog, attributes: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the combinations of attributes that were searched for."""
    if not attributes:
        return []
    if not set(attributes) <= set(ATTRIBUTES):
        raise ValueError(f"{attributes}: expected some of {ATTRIBUTES}")
    rows = catalog.rows(f"SELECT DISTINCT {', '.join(attributes)} FROM searches")
    return sorted(tuple(row) for row in rows)


def replace_sample(
    catalog: Catalog, chosen: Iterable[SampledFace], undrawn: Iterable[UnsampledFace] = ()
) -> None:
    """Commit a sample, which replaces the earlier one, and why the other accepted faces are not in it."""
    with catalog.transaction() as db:
        db.execute("DELETE FROM sample")
        insert(db, "sample", chosen)
        replace_rows(db, "undrawn", "face_id", undrawn)


def sampled_faces(catalog: Catalog) -> list[sqlite3.Row]:
    """Return the sample by class and rank: face_id, emotion, rank, path, split, sha256."""
    return catalog.rows(
        "SELECT face_id, emotion, rank, path, split, sha256 FROM sample ORDER BY emotion, rank"
    )


def scored_faces(catalog: Catalog) -> list[sqlite3.Row]:
    """Return the faces of the sample that models are scored on: its split `test`, or all if it has no splits."""
    rows = sampled_faces(catalog)
    has_splits = any(row["split"] == "test" for row in rows)
    return [row for row in rows if row["split"] == "test" or not has_splits]


def reserved_faces(catalog: Catalog) -> list[tuple[str, Emotion]]:
    """Return (face_id, emotion) of the reserve, by class and rank."""
    rows = catalog.rows(
        "SELECT face_id, emotion FROM undrawn WHERE reason = 'reserve' ORDER BY emotion, rank"
    )
    return [(row["face_id"], cast("Emotion", row["emotion"])) for row in rows]


def last_recipe(catalog: Catalog) -> str | None:
    """Return the recipe, as JSON, of the current sample; None if there is none."""
    run = _last_draw(catalog)
    return None if run is None else str(run["recipe"])


def _last_draw(catalog: Catalog) -> sqlite3.Row | None:
    rows = catalog.rows(
        """SELECT run_id, recipe, counts FROM runs WHERE command = 'sample' AND outcome = 'done'
           ORDER BY run_id DESC"""
    )
    for row in rows:
        if not json.loads(row["counts"]).get("short") or json.loads(row["recipe"]).get("allow_short"):
            return row
    return None


@dataclass(frozen=True, slots=True)
class SampleState:
    """Differences of the sample to the catalog.

    Attributes
    ----------
    drawn
        Faces in the sample, and those that left it by a crop with other settings.
    left
        Those of them that earlier stages now drop.
    rejected
        Those that are no longer accepted: rejected, taken back, or found under two emotions.
    relabelled
        Those with another label.
    taken_down
        Faces that were taken down and not replaced.
    """

    drawn: int
    left: int
    rejected: int
    relabelled: int
    taken_down: int


def sample_state(catalog: Catalog) -> SampleState:
    """Compare the sample with the current state of its faces."""
    row = catalog.rows(
        """WITH known AS MATERIALIZED (  -- a LEFT JOIN of the view would compute it for all faces
               SELECT f.face_id, f.state, f.verdict, f.conflict, f.emotion
               FROM sample CROSS JOIN face_rows f USING (face_id))
           SELECT count(*) AS drawn, coalesce(sum(fate = 'left'), 0) AS left,
                  coalesce(sum(fate = 'rejected'), 0) AS rejected,
                  coalesce(sum(fate = 'relabelled'), 0) AS relabelled
           FROM (SELECT CASE WHEN f.face_id IS NULL OR f.state <> 'kept' THEN 'left'
                             WHEN f.verdict IS NOT 'accept' OR f.conflict THEN 'rejected'
                             WHEN f.emotion <> s.emotion THEN 'relabelled' END AS fate
                 FROM sample s LEFT JOIN known f USING (face_id)
                 UNION ALL SELECT 'left' FROM undrawn WHERE reason = 'left_sample')"""
    )[0]
    draw = _last_draw(catalog)
    takedowns = catalog.rows(
        "SELECT counts FROM runs WHERE command = 'takedown' AND outcome = 'done' AND run_id > ?",
        0 if draw is None else draw["run_id"],
    )
    taken_down = sum(json.loads(run["counts"]).get("short", 0) for run in takedowns)
    return SampleState(row["drawn"], row["left"], row["rejected"], row["relabelled"], taken_down)
