"""How well people do on a set, by hand and by simulated reviewers."""

import numpy as np
import pytest

from btfer_builder.evaluate.metrics.human import human_ceiling, reviewer_agreement
from btfer_builder.evaluate.metrics.scores import score_votes


def simulated(rng, n, reviewers, *, share=0.0):
    """Return labels by majority, whether each is wrong, and votes of reviewers who confuse some emotions more."""
    shown = np.arange(n) % 7
    answers = np.full((7, 7), 0.02) + np.diag([0.86, 0.6, 0.7, 0.86, 0.8, 0.7, 0.86])
    for emotion, other in ((1, 0), (2, 6), (4, 5), (5, 4)):
        answers[emotion, other] += 1 - answers[emotion].sum()
    answers /= answers.sum(axis=1, keepdims=True)
    votes = np.array([rng.multinomial(reviewers, answers[emotion]) for emotion in shown], np.float64)
    labels = (votes + 0.01 * rng.random(votes.shape)).argmax(axis=1)
    kept = votes.max(axis=1) > share * reviewers
    return labels[kept], (labels != shown)[kept], votes[kept]


@pytest.mark.parametrize("reviewers", [3, 5])
def test_intervals_hold_the_share_of_wrong_labels(reviewers):
    rng = np.random.default_rng(0)
    expected = simulated(rng, 100_000, reviewers)[1].mean()
    holds, estimates = 0, []
    for seed in range(20):
        labels, _, votes = simulated(rng, 500, reviewers)
        human = human_ceiling(labels, votes, np.arange(500), resamples=100, seed=seed)
        low, high = human.label_noise_interval_95
        holds += low <= expected <= high
        estimates.append(human.label_noise)
        assert human.ceiling == 1 - human.label_noise
        assert human.ceiling_interval_95 == (1 - high, 1 - low)
    assert holds >= 17, "18.8 of 20 at 94 % coverage"
    assert np.mean(estimates) == pytest.approx(expected, abs=0.012)


def test_it_is_a_lower_bound_where_faces_without_agreement_were_left_out():
    labels, wrong, votes = simulated(np.random.default_rng(1), 4000, 5, share=0.5)
    human = human_ceiling(labels, votes, np.arange(len(labels)), resamples=0, seed=0)
    assert 0.2 * wrong.mean() < human.label_noise < wrong.mean()
    assert human.label_noise_interval_95 is human.reviewer_interval_95 is None


def test_a_reviewer_is_compared_with_the_others():
    votes = np.zeros((4, 7))
    votes[0, [0, 1]] = 1, 2  # of the others: a tie for each of the two, the majority against the one
    votes[1, 3] = 4
    votes[2, [5, 6]] = 1, 1
    votes[3, [0, 1, 2]] = 2, 1, 1
    by_hand = [2 * 0.5 / 3, 1, 0, 2 * (1 / 3) / 4]
    assert reviewer_agreement(votes) == pytest.approx(by_hand)
    simple = np.random.default_rng(0).multinomial(5, [0.5, 0.2, 0.1, 0.1, 0.05, 0.05, 0], 50).astype(float)
    for row, share in zip(simple, reviewer_agreement(simple), strict=True):
        given = np.repeat(np.arange(7), row.astype(int))
        points = []
        for k, answer in enumerate(given):
            others = np.bincount(np.delete(given, k), minlength=7)
            points.append((others[answer] == others.max()) / (others == others.max()).sum())
        assert share == pytest.approx(np.mean(points))


def test_the_interval_of_a_reviewer_holds_the_agreement_also_of_shared_sources():
    rng = np.random.default_rng(3)
    expected = reviewer_agreement(simulated(rng, 70_000, 3)[2]).mean()
    holds = 0
    for seed in range(20):
        labels, _, votes = simulated(rng, 210, 3)
        labels, votes = np.repeat(labels, 2), np.repeat(votes, 2, axis=0)  # each face twice: no more is known
        human = human_ceiling(labels, votes, np.repeat(np.arange(210), 2), resamples=100, seed=seed)
        low, high = human.reviewer_interval_95
        holds += low <= expected <= high
    assert holds >= 17


def test_unanimous_votes_say_nothing_of_wrong_labels():
    votes = np.zeros((20, 7))
    votes[:, 3] = 3
    human = human_ceiling(np.full(20, 3), votes, np.arange(20), resamples=100, seed=0)
    assert (human.n, human.votes, human.reviewer_accuracy) == (20, 60, 1.0)
    assert (human.label_noise, human.ceiling, human.ceiling_interval_95) == (None, None, None)
    single = np.eye(7)[np.full(20, 3)]
    assert human_ceiling(np.full(20, 3), single, np.arange(20), resamples=10, seed=0) is None


def test_no_model_has_a_smaller_cross_entropy_than_the_votes():
    from scipy.stats import entropy

    votes = np.random.default_rng(0).multinomial(4, np.full(7, 1 / 7), 30).astype(float)
    shares = votes / 4
    soft = score_votes(shares, votes, shares.argmax(axis=1))
    assert soft.voters_cross_entropy == pytest.approx(entropy(shares, axis=1).mean())
    assert soft.cross_entropy == pytest.approx(soft.voters_cross_entropy)
    other = score_votes(np.full((30, 7), 1 / 7), votes, shares.argmax(axis=1))
    assert other.cross_entropy > other.voters_cross_entropy == soft.voters_cross_entropy
