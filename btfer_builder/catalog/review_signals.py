"""What sorts suspicious items first: sharpness, predictions of a model, and disagreement of reviewers."""

import json
from collections.abc import Collection, Mapping, Sequence

from btfer_builder.catalog.catalog import Catalog, placeholders
from btfer_builder.io.json import json_text
from btfer_builder.records import Kind


def add_sharpness(catalog: Catalog, measured: Mapping[str, float]) -> None:
    """Commit the sharpness of photos, by image."""
    with catalog.transaction() as db:
        db.executemany(
            "INSERT OR REPLACE INTO sharpness (image_id, sharpness) VALUES (?, ?)", list(measured.items())
        )


def sharpness_of(catalog: Catalog, kind: Kind, item_ids: Sequence[str] | None = None) -> dict[str, float]:
    """Return the known sharpness of all items of a round, or of the named ones, by item."""
    table, key = ("sharpness", "image_id") if kind == "image" else ("faces", "face_id")
    rows = catalog.rows(
        f"SELECT {key}, sharpness FROM {table} WHERE sharpness IS NOT NULL {_among(key, item_ids)}",
        *(item_ids or ()),
    )
    return {row[0]: row[1] for row in rows}


def add_predictions(catalog: Catalog, model: str, predictions: Mapping[str, Sequence[float | None]]) -> None:
    """Commit predictions by face: a probability for each emotion, None for classes that the model does not have."""
    with catalog.transaction() as db:
        db.executemany(
            "INSERT OR REPLACE INTO predictions (model, face_id, probabilities) VALUES (?, ?, ?)",
            [(model, face_id, json_text(list(row))) for face_id, row in predictions.items()],
        )


def predictions_of(
    catalog: Catalog, model: str, face_ids: Sequence[str] | None = None
) -> dict[str, list[float | None]]:
    """Return the predictions of a model for all faces that it was applied to, or for the named ones, by face."""
    rows = catalog.rows(
        f"SELECT face_id, probabilities FROM predictions WHERE model = ? {_among('face_id', face_ids)}",
        model, *(face_ids or ()),
    )  # fmt: skip
    return {row["face_id"]: json.loads(row["probabilities"]) for row in rows}


def disagreement_of(catalog: Catalog, kind: Kind, item_ids: Sequence[str] | None = None) -> dict[str, float]:
    """Return the share of answers other than the most frequent one, by item with two answers or more.

    Skips and adjudications are not answers, and all rejections are the same answer.
    """
    rows = catalog.rows(
        f"""SELECT item_id, spread FROM tallies
            WHERE kind = ? AND total > 1 {_among("item_id", item_ids)}""",
        kind, *(item_ids or ()),
    )  # fmt: skip
    counts = {
        row["item_id"]: [int(part.rpartition(":")[2]) for part in row["spread"].split(";")] for row in rows
    }
    return {item_id: 1 - max(votes) / sum(votes) for item_id, votes in counts.items()}


def picture_paths(catalog: Catalog, kind: Kind, item_ids: Collection[str]) -> list[tuple[str, str]]:
    """Return (item_id, path relative to the workspace) of the items that have a file, in their order."""
    table, key = ("images", "image_id") if kind == "image" else ("faces", "face_id")
    rows = catalog.rows(f"SELECT {key}, path FROM {table} WHERE path IS NOT NULL")
    paths: dict[str, str] = {row[0]: row[1] for row in rows}
    return [(item_id, paths[item_id]) for item_id in item_ids if item_id in paths]


def _among(column: str, ids: Sequence[str] | None) -> str:
    return "" if ids is None else f"AND {column} IN ({placeholders(ids)})"
