"""How well people do on a set: a reviewer against the others, wrong labels, and what a perfect model could reach."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from btfer_builder.evaluate.metrics.bootstrap import tails
from btfer_builder.evaluate.metrics.scores import Interval, Table
from btfer_builder.labels import EMOTIONS

#: Draws of the intervals; those of the label noise fit a model each.
DRAWS, FITS = 1000, 200

#: Steps of the fit; the label noise changes by less than 0.0001 after them.
STEPS = 40


@dataclass(frozen=True, slots=True)
class HumanCeiling:
    """What the votes of several reviewers say about a set. Shares are 0 to 1, intervals 95 % or None without draws.

    Attributes
    ----------
    n, votes
        Number of faces with at least two votes, and of the votes on them.
    reviewer_accuracy, reviewer_interval_95
        Share of the votes that are the emotion most other reviewers of the face chose; of several, each counts in part.
    label_noise, label_noise_interval_95
        Estimated share of labels that are not what the face shows; None where all votes agree and say nothing.
    ceiling, ceiling_interval_95
        Accuracy of a perfect model on these labels: 1 − label noise. An upper bound, see the notes of `human_ceiling`.
    """

    n: int
    votes: int
    reviewer_accuracy: float
    reviewer_interval_95: Interval | None
    label_noise: float | None
    label_noise_interval_95: Interval | None
    ceiling: float | None
    ceiling_interval_95: Interval | None


def human_ceiling(
    true: NDArray[np.int64], votes: Table, sources: NDArray[np.int64], *, resamples: int, seed: int
) -> HumanCeiling | None:
    """Estimate how well people do on a set; None if no face has two votes.

    Parameters
    ----------
    true
        Labels as positions in `EMOTIONS`, shape (n,).
    votes
        Number of reviewers for each emotion, shape (n, 7).
    sources
        Of `source_groups`, shape (n,); intervals draw sources, not faces.
    resamples, seed
        Of the intervals: at most 1,000 draws, and 200 fits.

    Notes
    -----
    The label noise is that of the model of Dawid & Skene (1979) with one confusion matrix for all reviewers, whose
    answers are independent given what a face shows: the mean probability that a face does not show its label, given
    its votes. It is too small where reviewers err in the same way, and where faces without agreement were left out: the
    reviewers then seem more certain than they are.
    """
    several = votes.sum(axis=1) >= 2
    if not several.any():
        return None
    true, votes, sources = true[several], votes[several], np.unique(sources[several], return_inverse=True)[1]
    agreement = reviewer_agreement(votes)
    rng = np.random.default_rng(seed)
    count = sources.max() + 1
    draws = min(resamples, DRAWS) if count > 1 else 0
    weights = rng.multinomial(count, np.full(count, 1 / count), draws)[:, sources].astype(np.float64)
    known = bool((agreement < 1).any())
    noise = float(label_noise(true, votes, np.ones((1, len(true))))[0]) if known else None
    noises = label_noise(true, votes, weights[:FITS]) if draws and known else np.empty(0)
    means = weights @ agreement / weights.sum(axis=1)
    between = tails(sources)
    of_noise = _percentiles(noises, between)
    return HumanCeiling(
        len(true),
        int(votes.sum()),
        float(agreement.mean()),
        _percentiles(means, between),
        noise,
        of_noise,
        None if noise is None else 1 - noise,
        None if of_noise is None else (1 - of_noise[1], 1 - of_noise[0]),
    )


def reviewer_agreement(votes: Table) -> Table:
    """Return for each face the share of its votes that are what most of the other reviewers chose, shape (n,).

    Parameters
    ----------
    votes
        Shape (n, 7), at least two votes a face. Where k emotions have most of the other votes, each counts 1 / k.
    """
    total = np.zeros(len(votes))
    for k in range(len(EMOTIONS)):
        others = votes.copy()
        others[:, k] -= 1
        most = others.max(axis=1)
        agrees = (others[:, k] == most) / (others == most[:, np.newaxis]).sum(axis=1)
        total += votes[:, k] * agrees
    shares: Table = total / votes.sum(axis=1)
    return shares


def label_noise(true: NDArray[np.int64], votes: Table, weights: Table) -> Table:
    """Return the estimated share of wrong labels under each weighting of the faces, shape (draws,).

    Parameters
    ----------
    true, votes
        Of the faces, shapes (n,) and (n, 7).
    weights
        How often each face is drawn, shape (draws, n).
    """
    size = len(EMOTIONS)
    patterns, of_face = np.unique(np.column_stack([votes, true]), axis=0, return_inverse=True)
    table, labels = patterns[:, :size], patterns[:, size].astype(np.int64)
    one = np.zeros((len(of_face), len(patterns)))
    one[np.arange(len(of_face)), of_face.ravel()] = 1
    counts = weights @ one  # (draws, patterns)
    shows = np.broadcast_to(np.eye(size)[labels], (len(weights), len(patterns), size))
    for _ in range(STEPS):
        weighted = shows * counts[:, :, np.newaxis]
        prior = weighted.sum(axis=1) + 1 / size
        answers = weighted.transpose(0, 2, 1) @ table + 1 / size  # (draws, shown, answered)
        log_answers = np.log(answers / answers.sum(axis=2, keepdims=True))
        likelihood = table @ log_answers.transpose(0, 2, 1) + np.log(prior)[:, np.newaxis]
        shows = np.exp(likelihood - likelihood.max(axis=2, keepdims=True))
        shows /= shows.sum(axis=2, keepdims=True)
    right = shows[:, np.arange(len(patterns)), labels]
    noise: Table = 1 - (right * counts).sum(axis=1) / counts.sum(axis=1)
    return noise


def _percentiles(values: Table, between: Interval) -> Interval | None:
    if not len(values):
        return None
    low, high = np.quantile(values, between)
    return float(low), float(high)
