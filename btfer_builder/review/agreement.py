"""Inter-rater agreement: Cohen's and Fleiss' κ with intervals, agreement with the consensus, confusion matrices."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.agreement import Vote, consensus, rule, votes
from btfer_builder.config import AgreementRecipe, ReviewRecipe
from btfer_builder.errors import BtferError
from btfer_builder.labels import EMOTIONS
from btfer_builder.records import Kind
from btfer_builder.review.kappa import Kappa, cohen, fleiss

if TYPE_CHECKING:
    import pandas as pd

#: All answers in the order of the tables: the emotions, then the answers without a label.
ANSWERS: tuple[str, ...] = (*EMOTIONS, "accept", "reject")


@dataclass(frozen=True, slots=True)
class ReviewerPair:
    """Two reviewers on the items both answered; rows of the confusion matrix are the answers of the first."""

    reviewers: tuple[str, str]
    items: int
    kappa: Kappa
    per_class: dict[str, Kappa]
    confusion: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ConsensusAgreement:
    """One reviewer against the consensus, on the items with a verdict that another reviewer answered, too.

    The agreement is None if there are no such items.
    """

    reviewer: str
    items: int
    agreement: float | None
    kappa: Kappa
    per_class: dict[str, float]


@dataclass(frozen=True, slots=True)
class Agreement:
    """The measures of agreement of a round.

    Attributes
    ----------
    round
        `images` or `faces`.
    answered
        Number of items each reviewer answered, by name.
    shared, disputed, open
        Number of items with two answers or more; of those answered differently; of those with answers but no verdict.
    pairs
        All pairs of reviewers with an item in common.
    fleiss_reviewers, fleiss_items, fleiss, fleiss_per_class
        Fleiss' κ of all reviewers on the items that all of them answered; None if there are no such items.
    against
        Each reviewer against the consensus.
    min_votes, agreement
        The rule of consensus.
    """

    round: str
    answered: dict[str, int]
    shared: int
    disputed: int
    open: int
    pairs: list[ReviewerPair]
    fleiss_reviewers: list[str]
    fleiss_items: int
    fleiss: Kappa | None
    fleiss_per_class: dict[str, Kappa]
    against: list[ConsensusAgreement]
    min_votes: int
    agreement: float

    @property
    def confusion(self) -> NDArray[np.int64]:
        """The sum over all pairs, each item counted both ways: int64 of shape (9, 9), symmetric."""
        total = np.zeros((len(ANSWERS), len(ANSWERS)), dtype=np.int64)
        for pair in self.pairs:
            total += pair.confusion + pair.confusion.T
        return total

    def to_frame(self) -> "pd.DataFrame":
        """Return Cohen's kappa of each pair of reviewers, with its interval and the number of shared items."""
        import pandas as pd

        rows = [
            [*pair.reviewers, pair.items, pair.kappa.value, pair.kappa.low, pair.kappa.high]
            for pair in self.pairs
        ]
        return pd.DataFrame(rows, columns=["first", "second", "items", "kappa", "low", "high"])

    def to_dict(self) -> dict[str, Any]:
        """Return the output of `btfer agreement --json`."""
        return {
            "round": self.round,
            "answers": list(ANSWERS),
            "reviewers": self.answered,
            "items": {"shared": self.shared, "disputed": self.disputed, "open": self.open},
            "rule": {"min_votes": self.min_votes, "agreement": self.agreement},
            "fleiss": self.fleiss
            and {
                "reviewers": self.fleiss_reviewers,
                "items": self.fleiss_items,
                **self.fleiss.to_dict(),
                "per_class": _dicts(self.fleiss_per_class),
            },
            "cohen": [
                {
                    "reviewers": list(pair.reviewers),
                    "items": pair.items,
                    **pair.kappa.to_dict(),
                    "per_class": _dicts(pair.per_class),
                    "confusion_matrix": pair.confusion.tolist(),
                }
                for pair in self.pairs
            ],
            "consensus": [
                {
                    "reviewer": each.reviewer,
                    "items": each.items,
                    "agreement": each.agreement,
                    **each.kappa.to_dict(),
                    "per_class": each.per_class,
                }
                for each in self.against
            ],
            "confusion_matrix": self.confusion.tolist(),
        }


def measure(catalog: Catalog, kind: Kind, recipe: AgreementRecipe, review: ReviewRecipe) -> Agreement:
    """Measure the agreement of the reviewers of a round.

    Parameters
    ----------
    catalog
        The catalog.
    kind
        The kind of the round.
    recipe
        Confidence, resamples and seed of the intervals.
    review
        Its `reviewers` are compared; empty compares all.

    Raises
    ------
    BtferError
        If no item has answers of two reviewers.
    """
    ballots = [
        vote for vote in votes(catalog, kind) if vote.reviewer in review.reviewers or not review.reviewers
    ]
    table = _table(ballots)
    reviewers = sorted(table)
    items = Counter(vote.item_id for vote in ballots)
    shared = {item_id for item_id, n in items.items() if n > 1}
    if not shared:
        raise BtferError(
            f"no two reviewers have answered the same {kind} yet; ask another reviewer: "
            f"btfer review --round {kind}s --reviewer NAME"
        )
    verdicts, current_rule = consensus(catalog, kind), rule(catalog)
    rng = np.random.default_rng(recipe.seed)
    boot = (recipe.resamples, recipe.confidence, rng)
    pairs = [_pair(table, pair, boot) for pair in combinations(reviewers, 2)]
    everyone = sorted(set.intersection(*(set(answers) for answers in table.values())))
    codes = np.array([[table[name][item] for name in reviewers] for item in everyone]).reshape(
        -1, len(reviewers)
    )
    counts = np.stack([(codes == code).sum(axis=1) for code in range(len(ANSWERS))], axis=1)
    per_class = {
        name: fleiss(np.stack([counts[:, code], len(reviewers) - counts[:, code]], axis=1), *boot)
        for code, name in enumerate(ANSWERS)
        if counts[:, code].any()
    }
    different = {
        item_id for item_id in shared if len({t[item_id] for t in table.values() if item_id in t}) > 1
    }
    return Agreement(
        round=f"{kind}s",
        answered={name: len(table[name]) for name in reviewers},
        shared=len(shared),
        disputed=len(different),
        open=len(set(items) - set(verdicts)),
        pairs=[pair for pair in pairs if pair.items],
        fleiss_reviewers=reviewers,
        fleiss_items=len(everyone),
        fleiss=fleiss(counts, *boot) if everyone else None,
        fleiss_per_class=per_class,
        against=[_against(name, table[name], verdicts, shared, boot) for name in reviewers],
        min_votes=current_rule.min_votes,
        agreement=current_rule.agreement,
    )


_Boot = tuple[int, float, np.random.Generator]


def _table(ballots: Sequence[Vote]) -> dict[str, dict[str, int]]:
    """Return the answers of each reviewer, by item, as indices into `ANSWERS`."""
    table: dict[str, dict[str, int]] = {}
    for vote in ballots:
        table.setdefault(vote.reviewer, {})[vote.item_id] = ANSWERS.index(vote.answer)
    return table


def _pair(table: Mapping[str, Mapping[str, int]], reviewers: tuple[str, str], boot: _Boot) -> ReviewerPair:
    answers = [table[name] for name in reviewers]
    both = sorted(set(answers[0]) & set(answers[1]))
    first, second = (np.array([each[item] for item in both], dtype=np.int64) for each in answers)
    return ReviewerPair(
        reviewers,
        len(both),
        cohen(first, second, len(ANSWERS), *boot),
        {
            ANSWERS[code]: cohen(
                (first == code).astype(np.int64), (second == code).astype(np.int64), 2, *boot
            )
            for code in sorted({*first.tolist(), *second.tolist()})
        },
        _confusion(first, second),
    )


def _against(
    name: str, answers: Mapping[str, int], verdicts: Mapping[str, str], shared: set[str], boot: _Boot
) -> ConsensusAgreement:
    items = sorted(item for item in answers if item in verdicts and item in shared)
    mine = np.array([answers[item] for item in items], dtype=np.int64)
    agreed = np.array([ANSWERS.index(verdicts[item]) for item in items], dtype=np.int64)
    return ConsensusAgreement(
        name,
        len(items),
        float((mine == agreed).mean()) if items else None,
        cohen(mine, agreed, len(ANSWERS), *boot),
        {
            ANSWERS[code]: float((mine[agreed == code] == code).mean())
            for code in sorted(set(agreed.tolist()))
        },
    )


def _confusion(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    size = len(ANSWERS)
    return np.bincount(first * size + second, minlength=size * size).reshape(size, size)


def _dicts(kappas: Mapping[str, Kappa]) -> dict[str, Any]:
    return {name: kappa.to_dict() for name, kappa in kappas.items()}
