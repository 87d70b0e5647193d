"""The funnel: what came into each stage, what was kept, and what was dropped for which reason."""

import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from btfer_builder.catalog.catalog import Catalog
from btfer_builder.catalog.item_counts import ItemCounts
from btfer_builder.io.json import json_text


@dataclass(frozen=True, slots=True)
class StageCount:
    """A stage. `in` (here `came_in`) = `kept` + Σ `dropped`; unprocessed items are `waiting`.

    `per_emotion` counts the kept items, `dropped_per_emotion` the dropped ones.
    """

    stage: str
    unit: str
    came_in: int
    kept: int
    dropped: dict[str, int]
    waiting: int
    per_emotion: dict[str, int]
    dropped_per_emotion: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """Return the stage as in `btfer status --json`."""
        fields = asdict(self)
        return {"stage": fields.pop("stage"), "in": fields.pop("came_in"), **fields}


#: Each stage, its unit, what it is counted from, and its items: state (kept, dropped or waiting), reason, emotion,
#: number n.
_STAGES = (
    ("crawl", "candidates", "candidates", "SELECT state, reason, emotion, n FROM counted"),
    (
        "dedupe",
        "images",
        "images",
        "SELECT coalesce(state, 'waiting') AS state, reason, emotion, n FROM counted",
    ),
    (
        "review-images",
        "images",
        "images",
        """SELECT CASE WHEN verdict = 'reject' THEN 'dropped' ELSE 'kept' END AS state,
                  verdict_reason AS reason, emotion, n FROM counted WHERE state = 'kept'""",
    ),
    (
        "crop",
        "images",
        "images",
        """SELECT CASE WHEN NOT cropped AND NOT purged THEN 'waiting' WHEN cropped AND crop_reason IS NULL THEN 'kept'
                       ELSE 'dropped' END AS state,
                  CASE WHEN cropped THEN crop_reason ELSE 'purged' END AS reason, emotion, n
           FROM counted WHERE state = 'kept' AND verdict IS NOT 'reject'""",
    ),
    # The second pass is optional: faces that it has not compared also go on.
    (
        "dedupe-faces",
        "faces",
        "faces",
        """SELECT CASE WHEN compared OR reason = 'purged' THEN state ELSE 'waiting' END AS state, reason,
                  found_as AS emotion, n
           FROM counted WHERE cropped = 'kept'""",
    ),
    (
        "review-faces",
        "faces",
        "faces",
        """SELECT CASE verdict WHEN 'accept' THEN 'kept' WHEN 'reject' THEN 'dropped' ELSE 'waiting' END AS state,
                  verdict_reason AS reason, emotion, n FROM counted WHERE state = 'kept'""",
    ),
    (
        "sample",
        "faces",
        "faces",
        """SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM sample) THEN 'waiting'
                       WHEN drawn THEN 'kept' ELSE 'dropped' END AS state,
                  CASE WHEN purged THEN 'purged' WHEN conflict THEN 'conflict' ELSE coalesce(undrawn, 'not_drawn') END
                  AS reason, emotion, n
           FROM counted WHERE state = 'kept' AND verdict = 'accept'""",
    ),
)


def funnel(catalog: Catalog, only: Sequence[str] = (), counts: ItemCounts | None = None) -> list[StageCount]:
    """Count all stages, or only the named ones, from the current catalog or from items that are already counted."""
    items_of = counts or ItemCounts(catalog)
    wanted = [stage for stage in _STAGES if not only or stage[0] in only]
    found: dict[str, list[sqlite3.Row]] = {stage: [] for stage, *_ in wanted}
    for name in dict.fromkeys(source for _, _, source, _ in wanted):
        counted = [[*item.values(), n] for item, n in items_of.of(name)]
        if not counted:
            continue
        parts = (
            f"SELECT '{stage}' AS stage, state, reason, emotion, sum(n) AS n FROM ({items}) GROUP BY 2, 3, 4"
            for stage, _, source, items in wanted
            if source == name
        )
        names = (*items_of.of(name)[0][0], "n")
        columns = (f"json_extract(value, '$[{index}]') AS {column}" for index, column in enumerate(names))
        counting = f"""
            WITH counted AS MATERIALIZED (SELECT {", ".join(columns)} FROM json_each(?))
            {" UNION ALL ".join(parts)}"""
        for row in catalog.rows(counting, json_text(counted)):
            found[row["stage"]].append(row)
    return [_count(stage, unit, found[stage]) for stage, unit, _, _ in wanted]


def _count(stage: str, unit: str, rows: Sequence[sqlite3.Row]) -> StageCount:
    total = {"kept": 0, "dropped": 0, "waiting": 0}
    dropped: dict[str, int] = {}
    per_emotion: dict[str, int] = {}
    dropped_per_emotion: dict[str, int] = {}
    for row in rows:
        total[row["state"]] += row["n"]
        if row["state"] == "dropped":
            dropped[row["reason"]] = dropped.get(row["reason"], 0) + row["n"]
            lost = dropped_per_emotion.get(row["emotion"], 0)
            dropped_per_emotion[row["emotion"]] = lost + row["n"]
        elif row["state"] == "kept":
            per_emotion[row["emotion"]] = per_emotion.get(row["emotion"], 0) + row["n"]
    return StageCount(
        stage,
        unit,
        came_in=total["kept"] + total["dropped"],
        kept=total["kept"],
        dropped=dict(sorted(dropped.items(), key=lambda item: (-item[1], item[0]))),
        waiting=total["waiting"],
        per_emotion=dict(sorted(per_emotion.items())),
        dropped_per_emotion=dict(sorted(dropped_per_emotion.items())),
    )
