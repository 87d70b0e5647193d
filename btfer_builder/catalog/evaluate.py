"""Queries of the evaluation: how the faces of the sample were found, where they are from, and their votes."""

import sqlite3

from btfer_builder.catalog.catalog import Catalog


def sampled_attributes(catalog: Catalog) -> list[sqlite3.Row]:
    """Return face_id, query_ethnicity, query_gender, query_age, language and engine of each face of the sample."""
    return catalog.rows(
        """SELECT s.face_id, i.query_ethnicity, i.query_gender, i.query_age, i.language, i.engine
           FROM sample s JOIN faces f USING (face_id) JOIN image_rows i USING (image_id)"""
    )


def sampled_origins(catalog: Catalog) -> list[sqlite3.Row]:
    """Return face_id, image_id and creator of each face of the sample; an unknown creator is empty or None."""
    return catalog.rows(
        """SELECT s.face_id, f.image_id, i.creator
           FROM sample s JOIN faces f USING (face_id) JOIN image_rows i USING (image_id)"""
    )


def sampled_votes(catalog: Catalog) -> list[sqlite3.Row]:
    """Return how many reviewers chose each emotion for each face of the sample: face_id, emotion, votes."""
    return catalog.rows(
        """SELECT s.face_id, w.emotion, count(*) AS votes
           FROM sample s JOIN current_decisions w ON w.kind = 'face' AND w.item_id = s.face_id
           WHERE w.verdict = 'accept' AND w.emotion IS NOT NULL AND NOT w.adjudicates
           GROUP BY s.face_id, w.emotion"""
    )
