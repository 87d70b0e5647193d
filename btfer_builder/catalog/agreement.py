"""The reviewers' votes, the consensus rule, and the verdicts that follow from both."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from btfer_builder.catalog.catalog import Catalog
from btfer_builder.records import Kind


@dataclass(frozen=True, slots=True)
class ConsensusRule:
    """When votes make a verdict: minimum number of answers, and minimum share of equal ones."""

    min_votes: int
    agreement: float

    def verdict(self, answers: Counter[str]) -> str | None:
        """Return the answer on which these answers agree, as the view `vote_counts` does; None if there is none."""
        (first, votes), *others = [*answers.most_common(2), ("", 0)]
        total = answers.total()
        settled = (
            votes > (others[0][1] if others else 0)
            and total >= self.min_votes
            and votes >= self.agreement * total - 1e-9
        )
        return first if settled else None


@dataclass(frozen=True, slots=True)
class Vote:
    """The answer of a reviewer to an item: an emotion, `reject`, or `accept` for an acceptance without a label."""

    item_id: str
    reviewer: str
    answer: str
    reason: str | None


def rule(catalog: Catalog) -> ConsensusRule:
    """Return the current rule."""
    return ConsensusRule(*catalog.rows("SELECT min_votes, agreement FROM consensus")[0])


def set_rule(
    catalog: Catalog, chosen: ConsensusRule, check: Callable[[set[str]], None] = lambda unsettled: None
) -> None:
    """Set the rule, which all views of the catalog follow.

    Parameters
    ----------
    catalog
        The catalog.
    chosen
        The rule.
    check
        Called with the items that lose their verdict or get another one; if it raises, the rule is not changed.
    """
    if chosen == rule(catalog):  # so that a command that only reads writes nothing
        return
    with catalog.transaction() as db:
        before = _verdicts(catalog)
        db.execute("UPDATE consensus SET min_votes = ?, agreement = ?", (chosen.min_votes, chosen.agreement))
        check({item_id for item_id, *_ in before - _verdicts(catalog)})


def _verdicts(catalog: Catalog) -> set[tuple[str, str, str | None]]:
    return {tuple(row) for row in catalog.rows("SELECT item_id, verdict, emotion FROM verdicts")}


_EXISTS = {
    "image": "w.item_id IN (SELECT image_id FROM images)",
    "face": "w.item_id IN (SELECT face_id FROM faces)",
}


def votes(catalog: Catalog, kind: Kind, *, disputed: bool = False) -> list[Vote]:
    """Return the votes on the items of a round, by item and reviewer, without skips and adjudications.

    Parameters
    ----------
    catalog
        The catalog.
    kind
        The round.
    disputed
        Only votes on items that reviewers answered differently.
    """
    only = (
        "AND w.item_id IN (SELECT item_id FROM vote_counts WHERE kind = ? AND answers > 1)"
        if disputed
        else ""
    )
    rows = catalog.rows(
        f"""SELECT w.item_id, w.reviewer, coalesce(w.emotion, w.verdict), w.reason FROM current_decisions w
            WHERE w.kind = ? AND w.verdict <> 'skip' AND NOT w.adjudicates AND {_EXISTS[kind]} {only}
            ORDER BY w.item_id, w.reviewer""",
        kind, *([kind] if disputed else []),
    )  # fmt: skip
    return [Vote(*row) for row in rows]


def consensus(catalog: Catalog, kind: Kind, *, adjudicated: bool = False) -> dict[str, str]:
    """Return the verdicts of a round by item, as in `Vote.answer`; only those of adjudications if asked for."""
    only = "AND w.adjudicated" if adjudicated else ""
    rows = catalog.rows(
        f"""SELECT w.item_id, coalesce(w.emotion, w.verdict) FROM verdicts w
            WHERE w.kind = ? AND {_EXISTS[kind]} {only}""",
        kind,
    )
    return {row[0]: row[1] for row in rows}
