"""Queries of releases: the sample with what a release contains, and earlier versions."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from btfer_builder.catalog.catalog import Catalog, now
from btfer_builder.catalog.sample import ATTRIBUTES
from btfer_builder.io.json import json_text

#: (emotion, split) by face id.
Membership = dict[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class AttributeYield:
    """Counts of the searches with one value of an attribute: candidates, photos kept, faces accepted and released."""

    attribute: str
    value: str
    found: int
    photos: int
    accepted: int
    released: int


def sample_rows(catalog: Catalog) -> list[sqlite3.Row]:
    """Return the sample by split, class and id, with `stands`: whether the face is still accepted with this label."""
    return catalog.rows(
        """WITH known AS MATERIALIZED (  -- a LEFT JOIN of the view would compute it for all faces
               SELECT f.face_id, f.state, f.verdict, f.conflict, f.emotion
               FROM sample CROSS JOIN face_rows f USING (face_id))
           SELECT s.face_id, s.emotion, s.split, s.rank, s.path, s.sha256,
                  f.verdict IS 'accept' AND f.emotion IS s.emotion AND f.state = 'kept' AND NOT f.conflict AS stands
           FROM sample s LEFT JOIN known f USING (face_id) ORDER BY s.split, s.emotion, s.face_id"""
    )


def face_boxes(catalog: Catalog) -> dict[str, dict[str, Any]]:
    """Return all columns of the faces of the sample, by face id: enough to render them again."""
    rows = catalog.rows("SELECT f.* FROM faces f JOIN sample s USING (face_id)")
    return {row["face_id"]: dict(row) for row in rows}


def query_yields(catalog: Catalog) -> list[AttributeYield]:
    """Count the results of the searches by each attribute of the queries and by language."""
    columns = ("emotion", "language", *ATTRIBUTES)
    # By the emotion that was searched for, which may differ from the label of the image.
    rows = catalog.rows(
        f"""WITH accepted AS MATERIALIZED (
                SELECT image_id, count(*) AS n FROM face_rows WHERE state = 'kept' AND verdict = 'accept'
                GROUP BY image_id),
            released AS MATERIALIZED (
                SELECT image_id, count(*) AS n FROM sample JOIN faces USING (face_id) GROUP BY image_id)
            SELECT {", ".join(f"c.{column}" for column in columns)}, count(*) AS found, sum(c.state = 'kept') AS photos,
                   coalesce(sum(a.n) FILTER (WHERE c.state = 'kept'), 0) AS accepted,
                   coalesce(sum(r.n) FILTER (WHERE c.state = 'kept'), 0) AS released
            FROM candidate_fates c LEFT JOIN accepted a ON a.image_id = c.image_id
            LEFT JOIN released r ON r.image_id = c.image_id
            GROUP BY {", ".join(f"c.{column}" for column in columns)}"""
    )
    yields = []
    for attribute in columns:
        sums: dict[str, list[int]] = {}
        for row in rows:
            counts = sums.setdefault(row[attribute], [0, 0, 0, 0])
            for index, name in enumerate(("found", "photos", "accepted", "released")):
                counts[index] += row[name]
        yields += [AttributeYield(attribute, value, *counts) for value, counts in sorted(sums.items())]
    return yields


def version_of(catalog: Catalog, content_hash: str) -> int:
    """Return the version of a content: that of its earlier release, else the next number."""
    known = catalog.value("SELECT version FROM releases WHERE content_hash = ?", content_hash)
    return known or 1 + int(catalog.value("SELECT coalesce(max(version), 0) FROM releases"))


def faces_of_version(catalog: Catalog, version: int) -> tuple[str, Membership] | None:
    """Return the content hash of a version and the (emotion, split) of its faces; None if it does not exist."""
    content_hash = catalog.value("SELECT content_hash FROM releases WHERE version = ?", version)
    if content_hash is None:
        return None
    rows = catalog.rows("SELECT face_id, emotion, split FROM release_faces WHERE version = ?", version)
    return content_hash, {row["face_id"]: (row["emotion"], row["split"]) for row in rows}


def add_release(
    catalog: Catalog,
    version: int,
    content_hash: str,
    faces: Membership,
    *,
    path: str,
    recipe: Mapping[str, Any],
) -> None:
    """Commit that a version is in a folder, with which recipe."""
    with catalog.transaction() as db:
        db.execute(
            "INSERT OR IGNORE INTO releases (version, content_hash, made_at) VALUES (?, ?, ?)",
            (version, content_hash, now()),
        )
        db.executemany(
            "INSERT OR IGNORE INTO release_faces (version, face_id, emotion, split) VALUES (?, ?, ?, ?)",
            [(version, face_id, *membership) for face_id, membership in faces.items()],
        )
        db.execute(
            "INSERT OR REPLACE INTO release_copies (path, version, recipe) VALUES (?, ?, ?)",
            (path, version, json_text(dict(recipe), sort_keys=True)),
        )


def release_folders(catalog: Catalog) -> list[str]:
    """Return the folders of all releases."""
    return [row["path"] for row in catalog.rows("SELECT path FROM release_copies ORDER BY path")]


def released_ids(catalog: Catalog) -> set[str]:
    """Return the ids of the faces of all releases."""
    return {row["face_id"] for row in catalog.rows("SELECT DISTINCT face_id FROM release_faces")}


def released_anywhere(catalog: Catalog) -> set[str]:
    """Return the faces of all releases that were written to a folder."""
    rows = catalog.rows("SELECT DISTINCT face_id FROM release_faces JOIN release_copies USING (version)")
    return {row["face_id"] for row in rows}


def copies_of(catalog: Catalog) -> dict[str, tuple[int, dict[str, Any]]]:
    """Return the (version, recipe) of every written release, by its folder."""
    rows = catalog.rows("SELECT path, version, recipe FROM release_copies")
    return {row["path"]: (row["version"], json.loads(row["recipe"])) for row in rows}


def copies_with(catalog: Catalog, face_ids: Iterable[str]) -> list[tuple[str, int, dict[str, Any]]]:
    """Return (folder, version, recipe) of each written release with one of these faces."""
    wanted = set(face_ids)
    with_face = {
        row["version"]
        for row in catalog.rows("SELECT version, face_id FROM release_faces")
        if row["face_id"] in wanted
    }
    copies = copies_of(catalog)
    return [(path, *copies[path]) for path in sorted(copies) if copies[path][0] in with_face]
