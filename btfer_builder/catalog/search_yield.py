"""The yield of engines, languages, words and cells: candidates, and what became of them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from btfer_builder.catalog.catalog import Catalog

#: The groupings of the yield, and the columns that each is made of.
GROUPINGS: dict[str, tuple[str, ...]] = {
    "engine": ("engine",),
    "language": ("language",),
    "expression": ("emotion", "expression", "language"),
    "cell": ("emotion", "query_ethnicity", "query_gender", "query_age"),
}


@dataclass(frozen=True, slots=True)
class SearchYield:
    """Counts of one value: candidates, files, images that dedupe kept, images with an accepted face.

    An image counts for the search that found it first.
    """

    by: str
    value: str
    found: int
    fetched: int
    kept: int
    accepted: int

    def to_dict(self) -> dict[str, object]:
        """Return the line as in `btfer status --yield --json`."""
        return asdict(self)


def yields(catalog: Catalog, groupings: Sequence[str] = tuple(GROUPINGS)) -> list[SearchYield]:
    """Count the results of the searches by engine, language, expression word and cell.

    Before dedupe has run, all files with different bytes count as kept.
    """
    columns = sorted({column for grouping in groupings for column in GROUPINGS[grouping]})
    rows = catalog.rows(
        f"""WITH accepted AS MATERIALIZED (
                SELECT DISTINCT image_id FROM face_rows WHERE state = 'kept' AND verdict = 'accept')
            SELECT {", ".join(f"c.{column}" for column in columns)}, count(*) AS found,
                   sum(c.image_id IS NOT NULL) AS fetched,
                   sum(c.state = 'kept' AND coalesce(d.state, 'kept') = 'kept') AS kept,
                   sum(c.state = 'kept' AND a.image_id IS NOT NULL) AS accepted
            FROM candidate_fates c LEFT JOIN dedupes d ON d.image_id = c.image_id
            LEFT JOIN accepted a ON a.image_id = c.image_id
            GROUP BY {", ".join(f"c.{column}" for column in columns)}"""
    )
    found: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        for grouping in groupings:
            value = " ".join(str(row[column]) for column in GROUPINGS[grouping] if row[column]) or "(none)"
            sums = found.setdefault((grouping, value), [0, 0, 0, 0])
            for index, name in enumerate(("found", "fetched", "kept", "accepted")):
                sums[index] += row[name]
    order = {grouping: index for index, grouping in enumerate(groupings)}
    return [
        SearchYield(by, value, *sums)
        for (by, value), sums in sorted(found.items(), key=lambda item: (order[item[0][0]], item[0][1]))
    ]
