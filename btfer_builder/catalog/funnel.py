"""The funnel: for every stage, what came in, what was kept, and what was dropped for which reason."""

from dataclasses import asdict, dataclass

from btfer_builder.catalog.catalog import Catalog


@dataclass(frozen=True, slots=True)
class StageCount:
    """One stage. `in` (here `came_in`) = `kept` + Σ `dropped`; what was not worked on yet is `waiting`."""

    stage: str
    unit: str
    came_in: int
    kept: int
    dropped: dict[str, int]
    waiting: int
    per_emotion: dict[str, int]

    def to_dict(self) -> dict[str, object]:
        """Return the form of `btfer status --json`."""
        fields = asdict(self)
        return {"stage": fields.pop("stage"), "in": fields.pop("came_in"), **fields}


#: Each stage's items with columns state (kept, dropped or waiting), reason, emotion.
_STAGES = {
    ("crawl", "candidates"): "SELECT state, reason, emotion FROM candidate_fates",
    ("dedupe", "images"): "SELECT coalesce(state, 'waiting') AS state, reason, emotion FROM image_rows",
    ("review-images", "images"): """
        SELECT CASE WHEN verdict = 'reject' THEN 'dropped' ELSE 'kept' END AS state,
               verdict_reason AS reason, emotion FROM image_rows WHERE state = 'kept'""",
    ("crop", "images"): """
        SELECT CASE WHEN c.image_id IS NULL THEN 'waiting' WHEN c.reason IS NULL THEN 'kept' ELSE 'dropped' END
               AS state, c.reason, i.emotion FROM croppable i LEFT JOIN crops c USING (image_id)""",
    # A second pass that may be left out: faces it has not seen go on, too.
    ("dedupe-faces", "faces"): """
        SELECT CASE WHEN d.face_id IS NULL THEN 'waiting' WHEN copy.face_id IS NULL THEN 'kept' ELSE 'dropped' END
               AS state, copy.reason, i.emotion
        FROM faces f JOIN croppable i USING (image_id) LEFT JOIN face_dedupes d USING (face_id)
        LEFT JOIN face_copies copy USING (face_id) WHERE f.state = 'kept'""",
    ("review-faces", "faces"): """
        SELECT CASE verdict WHEN 'accept' THEN 'kept' WHEN 'reject' THEN 'dropped' ELSE 'waiting' END AS state,
               verdict_reason AS reason, emotion FROM face_rows WHERE state = 'kept'""",
    ("sample", "faces"): """
        SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM sample) THEN 'waiting'
                    WHEN s.face_id IS NOT NULL THEN 'kept' ELSE 'dropped' END AS state,
               CASE WHEN f.conflict THEN 'conflict' ELSE coalesce(u.reason, 'not_drawn') END AS reason, f.emotion
        FROM face_rows f LEFT JOIN sample s ON s.face_id = f.face_id AND s.emotion = f.emotion
        LEFT JOIN undrawn u ON u.face_id = f.face_id AND u.emotion = f.emotion
        WHERE f.state = 'kept' AND f.verdict = 'accept'""",
}


def funnel(catalog: Catalog) -> list[StageCount]:
    """Count every stage from what the catalog holds now."""
    stages = []
    for (stage, unit), items in _STAGES.items():
        counts = catalog.rows(
            f"SELECT state, reason, emotion, count(*) AS n FROM ({items}) GROUP BY state, reason, emotion"
        )
        total = {"kept": 0, "dropped": 0, "waiting": 0}
        dropped: dict[str, int] = {}
        per_emotion: dict[str, int] = {}
        for row in counts:
            total[row["state"]] += row["n"]
            if row["state"] == "dropped":
                dropped[row["reason"]] = dropped.get(row["reason"], 0) + row["n"]
            elif row["state"] == "kept":
                per_emotion[row["emotion"]] = per_emotion.get(row["emotion"], 0) + row["n"]
        stages.append(
            StageCount(
                stage,
                unit,
                came_in=total["kept"] + total["dropped"],
                kept=total["kept"],
                dropped=dict(sorted(dropped.items(), key=lambda item: (-item[1], item[0]))),
                waiting=total["waiting"],
                per_emotion=dict(sorted(per_emotion.items())),
            )
        )
    return stages
