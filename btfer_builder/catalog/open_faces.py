"""Faces that have no verdict yet, by what they wait for."""

from dataclasses import dataclass

from btfer_builder.catalog.catalog import Catalog


@dataclass(frozen=True, slots=True)
class OpenFaces:
    """Number of faces without a verdict.

    Attributes
    ----------
    unseen
        Those that nobody has answered or skipped.
    few_votes
        Those with equal answers, but fewer than the rule of consensus asks for.
    disputed
        Those that reviewers answered differently.
    skipped
        Those that were only skipped.
    """

    unseen: int = 0
    few_votes: int = 0
    disputed: int = 0
    skipped: int = 0


def open_faces(catalog: Catalog) -> OpenFaces:
    """Count the faces that have no verdict yet."""
    row = catalog.rows(
        """WITH open AS MATERIALIZED (
               SELECT face_id, coalesce(votes, '') AS votes FROM face_rows WHERE state = 'kept' AND verdict IS NULL),
           known AS (
               SELECT votes, votes = '' AND EXISTS (
                   SELECT 1 FROM current_decisions d
                   WHERE d.kind = 'face' AND d.item_id = open.face_id AND d.verdict = 'skip') AS skipped
               FROM open)
           SELECT coalesce(sum(votes = '' AND NOT skipped), 0), coalesce(sum(votes <> '' AND NOT votes LIKE '%;%'), 0),
                  coalesce(sum(votes LIKE '%;%'), 0), coalesce(sum(skipped), 0) FROM known"""
    )[0]
    return OpenFaces(*row)
