"""The CSV views of the catalog for people and pandas: written after each stage, never read back."""

import sqlite3
from collections.abc import Collection, Mapping
from itertools import islice
from pathlib import Path

from btfer_builder.catalog.catalog import Catalog
from btfer_builder.errors import BtferError
from btfer_builder.io.csv import as_mapping, read_csv, write_csv
from btfer_builder.io.limits import read_lines

_PROVENANCE = (
    "url, page_url, title, license, license_url, creator, attribution, engine, query, language, expression, "
    "query_ethnicity, query_gender, query_age"
)
_BOX = (
    "x, y, width, height, confidence, left_eye_x, left_eye_y, right_eye_x, right_eye_y, nose_x, nose_y, "
    "mouth_left_x, mouth_left_y, mouth_right_x, mouth_right_y, crop_x, crop_y, crop_width, crop_height, "
    "crop_angle, blurred, upscale, roll, yaw, sharpness, brightness, padding, found_by"
)

_CANDIDATES = f"""
        SELECT emotion, state, reason, detail, rank, {_PROVENANCE}, found_url, sha1, image_id, http_status,
               content_type, bytes, fetched_at, tries, restrictions, consent
        FROM candidate_fates"""

#: The query of each `manifests/<name>.csv`. CROSS JOIN begins with the left table: leaks and the sample are small.
MANIFESTS = {
    "candidates": f"{_CANDIDATES} ORDER BY candidate_id",
    "images": f"""
        SELECT image_id, emotion,
               CASE WHEN verdict = 'reject' THEN 'dropped' ELSE coalesce(state, 'waiting') END AS state,
               coalesce(reason, CASE verdict WHEN 'reject' THEN verdict_reason END) AS reason, path, {_PROVENANCE},
               format, bytes, width, height, conflict, restrictions
        FROM image_rows ORDER BY +candidate_id""",  # the plus: sorting is faster than look-ups in that order
    "duplicates": """
        SELECT d.image_id, d.duplicate_of, d.kind, d.distance, d.conflict, g.diameter,
               g.kept_because AS kept_for, d.fine_distance,
               d.likeness
        FROM dedupes d LEFT JOIN duplicate_groups g ON g.kind = 'image' AND g.item_id = d.duplicate_of
        WHERE d.kind IS NOT NULL
        UNION ALL
        SELECT f.image_id, f.image_id, 'bytes', 0, count(DISTINCT s.emotion) > 1, NULL, NULL, 0, NULL
        FROM fetches f JOIN candidates c USING (url) JOIN searches s USING (search_id)
        WHERE f.image_id IS NOT NULL GROUP BY f.image_id
        HAVING count(DISTINCT c.url) > 1 OR count(DISTINCT s.emotion) > 1
        ORDER BY 2, 4, 1""",
    "face_duplicates": """
        SELECT d.face_id, d.duplicate_of, d.kind, d.distance, d.difference, d.conflict, g.diameter,
               g.kept_because AS kept_for
        FROM face_copies d LEFT JOIN duplicate_groups g ON g.kind = 'face' AND g.item_id = d.duplicate_of
        WHERE d.duplicate_of IS NOT NULL ORDER BY 2, 4, 1""",
    "faces": f"""
        SELECT f.face_id, f.image_id, f.emotion,
               CASE WHEN f.state = 'dropped' OR f.verdict = 'reject' THEN 'dropped' ELSE 'kept' END AS state,
               coalesce(f.reason, CASE f.verdict WHEN 'reject' THEN f.verdict_reason END) AS reason,
               f.path, f.verdict, f.votes, f.conflict, {", ".join("f." + name for name in _BOX.split(", "))}
        FROM face_rows f
        UNION ALL
        SELECT NULL, c.image_id, i.emotion, 'dropped', c.reason, NULL, NULL, NULL, i.conflict,
               {", ".join(["NULL"] * len(_BOX.split(", ")))}
        FROM crops c JOIN croppable i USING (image_id)
        WHERE c.reason IS NOT NULL AND NOT EXISTS (SELECT 1 FROM faces f WHERE f.image_id = c.image_id)
        ORDER BY 2, 1""",
    "decisions": """
        SELECT decision_id, item_id, kind, emotion, verdict, reason, reviewer, undoes, decided_at, adjudicates
        FROM decisions ORDER BY decision_id""",
    "leakage": """
        SELECT l.face_id, f.image_id, f.emotion, t.name AS training_set, l.item, l.kind, l.form, l.distance,
               l.fine_distance, EXISTS (SELECT 1 FROM sample s WHERE s.face_id = l.face_id) AS in_sample
        FROM leaks l JOIN training_sets t USING (source) CROSS JOIN face_rows f USING (face_id)
        ORDER BY t.name, l.face_id""",
    "sample": """
        SELECT s.face_id, f.image_id, s.emotion, s.rank, s.path, s.split, s.sha256, f.url, f.page_url, f.license,
               f.creator, f.engine, f.query, f.language, f.query_ethnicity, f.query_gender, f.query_age, f.votes,
               f.adjudicated
        FROM sample s CROSS JOIN face_rows f USING (face_id) ORDER BY s.emotion, s.rank""",
}


#: Queries that show that a row of a CSV view comes from a catalog, with the columns they need. Tombstones have the
#: ids of what was taken down.
_KNOWN_BY = (
    (("decision_id", "item_id"), "SELECT 1 FROM decisions WHERE decision_id = ? AND item_id = ?"),
    (("image_id",), "SELECT 1 FROM images WHERE image_id = ?"),
    (("image_id",), "SELECT 1 FROM tombstones WHERE image_id = ?"),
    (("url",), "SELECT 1 FROM candidates WHERE url = ?"),
    (("face_id",), "SELECT 1 FROM faces WHERE face_id = ?"),
    (
        ("face_id",),
        "SELECT 1 FROM face_hashes WHERE face_id = ?",
    ),  # also has faces of other settings
    (("face_id",), "SELECT 1 FROM tombstones WHERE face_id = ?"),
)

#: Number of rows of a CSV view that are looked up: a person may have sorted or cut it.
_LOOKED_UP = 20


def filled_csv(folder: Path) -> Path | None:
    """Return a CSV file of the folder that has a row; None if there is none."""
    for path in sorted(folder.glob("*.csv")):
        try:
            lines = islice(read_lines(path), 1, 2)
            if next(lines, "").strip():
                return path
        except (BtferError, OSError):
            return path  # whatever it is, it is not a table of a new workspace
    return None


def check_views(catalog: Catalog, folder: Path) -> None:
    """Check that the CSV views in the folder were written from this catalog, before they are replaced.

    Raises
    ------
    BtferError
        If a view has rows of another catalog, or decisions that are not in this one.
    """
    for path in (folder / f"{name}.csv" for name in MANIFESTS):
        rows = _first_rows(path)
        known = [known for row in rows if (known := _is_known(catalog, row)) is not None]
        if known and not any(known):
            raise BtferError(
                f"{path} was not written from {catalog.path}, which has none of its rows; restore the catalog of this "
                "workspace from a backup, or move the file away to continue with this one. Nothing was changed"
            )
    path = folder / "decisions.csv"
    last = _last_decision(path)
    if last > _decided(catalog):
        raise BtferError(
            f"{path} has decisions up to number {last}, and {catalog.path} does not have the last of them: it is an "
            "older copy. Restore a newer one from a backup, or move the file away to continue without them. "
            "Nothing was changed"
        )


def _first_rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    columns, rows = read_csv(path)
    return [as_mapping(columns, cells) for _, cells in islice(rows, _LOOKED_UP)]


def _is_known(catalog: Catalog, row: Mapping[str, str]) -> bool | None:
    """Return whether a row is in the catalog; None if nothing in it can be looked up."""
    queries = [(columns, sql) for columns, sql in _KNOWN_BY if all(row.get(column) for column in columns)]
    if not queries:
        return None
    return any(catalog.value(sql, *(row[column] for column in columns)) for columns, sql in queries)


def _decided(catalog: Catalog) -> int:
    """Return the number of the last decision in the catalog; 0 if there is none."""
    return int(catalog.value("SELECT coalesce(max(decision_id), 0) FROM decisions"))


def _last_decision(path: Path) -> int:
    """Return the number of the last decision in the CSV view; 0 if there is none, or if a person has sorted it."""
    if not path.is_file():
        return 0
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        last = file.read().rstrip().rpartition(b"\n")[2].partition(b",")[0]
    return int(last) if last.isdigit() else 0


def write_manifests(catalog: Catalog, folder: Path, *names: str) -> None:
    """Write `folder/<name>.csv` for each name, atomically, unless the file has what the catalog has.

    On a read-only file system nothing was recorded that they could lack, and none is written.
    """
    for name in () if catalog.read_only else names:
        path = folder / f"{name}.csv"
        if _is_current(catalog, name, path):
            continue
        with catalog.snapshot():
            write_csv(path, *manifest(catalog, name), keep_equal=True)
            catalog.keep("INSERT OR REPLACE INTO csv_views VALUES (?, ?, ?)", [(name, *_state(path))])


def _is_current(catalog: Catalog, name: str, path: Path) -> bool:
    """Return whether a file is the one that was written, and nothing that it shows has changed since."""
    written = catalog.rows("SELECT bytes, modified FROM csv_views WHERE name = ?", name)
    return bool(written) and path.is_file() and tuple(written[0]) == _state(path)


def _state(path: Path) -> tuple[int, int]:
    """Return the length of a file and when it was written."""
    state = path.stat()
    return state.st_size, state.st_mtime_ns


def manifest(catalog: Catalog, name: str) -> tuple[list[str], sqlite3.Cursor]:
    """Return the columns and the rows of a view."""
    cursor = catalog.connection.execute(MANIFESTS[name])
    return [column[0] for column in cursor.description], cursor


def manifest_columns(catalog: Catalog, name: str) -> list[str]:
    """Return the columns of a view."""
    return [
        column[0]
        for column in catalog.connection.execute(f"SELECT * FROM ({MANIFESTS[name]}) LIMIT 0").description
    ]


def candidate_rows(
    catalog: Catalog, candidate_ids: Collection[int]
) -> tuple[list[str], dict[int, sqlite3.Row]]:
    """Return the columns of the view of candidates, and its row for each of these."""
    rows = {
        candidate_id: catalog.rows(f"{_CANDIDATES} WHERE candidate_id = ?", candidate_id)[0]
        for candidate_id in candidate_ids
    }
    return manifest_columns(catalog, "candidates"), rows


def decisions_written(catalog: Catalog, folder: Path) -> bool:
    """Return whether the CSV views have all decisions: a review that was killed wrote none."""
    return _last_decision(folder / "decisions.csv") >= _decided(catalog)


def write_decisions(catalog: Catalog, folder: Path) -> None:
    """Write the CSV views with decisions unless they are up to date."""
    if not decisions_written(catalog, folder):
        write_manifests(
            catalog, folder, "images", "faces", "decisions"
        )  # the last one says that all are written
