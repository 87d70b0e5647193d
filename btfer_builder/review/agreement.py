"""Inter-rater agreement: Cohen's and Fleiss' κ with intervals, agreement with the consensus, confusion matrices."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.agreement import ConsensusRule, Vote, consensus, rule, votes
from btfer_builder.config import AgreementRecipe, ReviewRecipe
from btfer_builder.errors import BtferError
from btfer_builder.io.text import counted
from btfer_builder.labels import EMOTIONS
from btfer_builder.records import Kind
from btfer_builder.review.kappa import Kappa, cohen, fleiss, krippendorff

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
    """One reviewer against the consensus of the others, on the items on which these agree.

    An adjudication is a consensus, too. The agreement is None if there are no such items.
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
        Each reviewer against the consensus of the others.
    krippendorff_items, krippendorff
        Krippendorff's α of all reviewers on the items with at least two answers.
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
    krippendorff_items: int
    krippendorff: Kappa
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
            "krippendorff": {
                "items": self.krippendorff_items,
                "alpha": self.krippendorff.to_dict()["kappa"],
                "interval": self.krippendorff.to_dict()["interval"],
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
    given = votes(catalog, kind)
    ballots = [vote for vote in given if vote.reviewer in review.reviewers or not review.reviewers]
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
    settled = consensus(catalog, kind, adjudicated=True)
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
        against=[
            _against(name, table[name], _of_others(given, name, current_rule) | settled, boot)
            for name in reviewers
        ],
        krippendorff_items=len(shared),
        krippendorff=krippendorff(_counts(ballots), *boot),
        min_votes=current_rule.min_votes,
        agreement=current_rule.agreement,
    )


def agreement_so_far(catalog: Catalog, kind: Kind, recipe: AgreementRecipe) -> str:
    """Return a sentence on the agreement of all reviewers of a round."""
    ballots = votes(catalog, kind)
    answers = Counter(vote.item_id for vote in ballots)
    shared = sum(count > 1 for count in answers.values())
    if not shared:
        return f"No {kind} has the answers of two reviewers, so their agreement is unknown"
    rng = np.random.default_rng(recipe.seed)
    alpha = krippendorff(_counts(ballots), recipe.resamples, recipe.confidence, rng)
    on = f"on the {counted(shared, kind)} with two answers or more"
    if math.isnan(alpha.value):
        return f"Krippendorff's alpha is undefined {on}: all answers are equal"
    return (
        f"Agreement so far: Krippendorff's alpha {alpha.value:.2f} ({alpha.low:.2f} to {alpha.high:.2f}) {on}"
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


def _counts(ballots: Sequence[Vote]) -> NDArray[np.int64]:
    """Return how often each item was given each answer, shape (items, answers)."""
    rows = {item: row for row, item in enumerate(sorted({vote.item_id for vote in ballots}))}
    counts = np.zeros((len(rows), len(ANSWERS)), dtype=np.int64)
    for vote in ballots:
        counts[rows[vote.item_id], ANSWERS.index(vote.answer)] += 1
    return counts


def _of_others(given: Sequence[Vote], name: str, current: ConsensusRule) -> dict[str, str]:
    """Return the answers on which the other reviewers agree, by item.

    The rule of consensus asks for one answer less, because the reviewer's own is left out.
    """
    others: dict[str, Counter[str]] = {}
    for vote in given:
        if vote.reviewer != name:
            others.setdefault(vote.item_id, Counter())[vote.answer] += 1
    of_others = replace(current, min_votes=current.min_votes - 1)
    found = {item: of_others.verdict(answers) for item, answers in others.items()}
    return {item: answer for item, answer in found.items() if answer is not None}


def _against(
    name: str, answers: Mapping[str, int], verdicts: Mapping[str, str], boot: _Boot
) -> ConsensusAgreement:
    items = sorted(answers.keys() & verdicts.keys())
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
