"""Sentences about scores, differences and what a set can tell; each follows a test corrected for its number."""

from collections.abc import Sequence

from btfer_builder.evaluate.metrics.calibration import Temperature
from btfer_builder.evaluate.metrics.groups import Grouping
from btfer_builder.evaluate.metrics.human import HumanCeiling
from btfer_builder.evaluate.metrics.power import MIN_SOURCES, POWER, Detectable
from btfer_builder.evaluate.metrics.scores import Interval, Scores
from btfer_builder.evaluate.report.board import ALPHA, Leaderboard
from btfer_builder.io.text import counted, listed
from btfer_builder.labels import EMOTIONS

#: Models of which each is compared by name with those that follow it in the leaderboard.
NAMED = 6


def summary(scores: Scores, detectable: Sequence[Detectable] = ()) -> list[str]:
    """Return sentences that describe the scores: accuracy, baseline, best and worst recall.

    Parameters
    ----------
    scores
        Of all faces.
    detectable
        What the set detects; the design effects of the emotions are taken from it.
    """
    low, high = scores.accuracy_interval
    correct = sum(scores.confusion[i][i] for i in range(len(EMOTIONS)))
    largest = max(item.support for item in scores.per_class.values()) / scores.n
    sentences = [
        f"The model predicts the labelled emotion of {correct:,} of {counted(scores.n, 'face')}, "
        f"{percent(scores.accuracy)} (95% interval {percent(low)} to {percent(high)}).",
        f"Always predicting the largest class would reach {percent(largest)}.",
    ]
    present = [emotion for emotion in EMOTIONS if scores.per_class[emotion].support]
    recalls = {emotion: scores.per_class[emotion].recall for emotion in present}
    lowest, highest = min(recalls.values()), max(recalls.values())
    if highest > lowest:
        best = [emotion for emotion in present if recalls[emotion] == highest]
        worst = [emotion for emotion in present if recalls[emotion] == lowest]
        errors = list(scores.confusion[EMOTIONS.index(worst[0])])
        errors[EMOTIONS.index(worst[0])] = 0
        single = len(worst) == 1 and errors.count(max(errors)) == 1
        confused = f", most often confused with {EMOTIONS[errors.index(max(errors))]}" if single else ""
        sentences.append(
            f"Recall is highest for {listed(best)} ({percent(highest)}) and lowest for {listed(worst)} "
            f"({percent(lowest)}{confused}).{_by_chance(scores, detectable)}"
        )
    return sentences


def _by_chance(scores: Scores, detectable: Sequence[Detectable]) -> str:
    """Return whether emotions of equal recall could differ so much; empty if they could not."""
    from scipy.stats import chi2_contingency

    effects = {row.value: row.design_effect for row in detectable if row.attribute == "emotion"}
    table = [
        (hits / effects.get(emotion, 1.0), (sum(row) - hits) / effects.get(emotion, 1.0))
        for k, (emotion, row) in enumerate(zip(EMOTIONS, scores.confusion, strict=True))
        if sum(row)
        for hits in [row[k]]
    ]
    p_value = chi2_contingency(table).pvalue
    if p_value < ALPHA:
        return ""
    return f" The recalls of the emotions cannot be distinguished (χ² test of all, p = {p_value:.2g})."


def groups_sentence(grouping: Grouping) -> str:
    """Return whether the groups of an attribute differ, by the test that is corrected for the number of attributes."""
    if grouping.gap is None:
        return ""
    if grouping.gap == 0:
        return "The groups have the same accuracy."
    if grouping.p_holm is None:
        return ""
    p = "< 0.001" if grouping.p_holm < 0.001 else f"= {grouping.p_holm:.3f}"
    test = f"(χ² test of all groups, Holm-corrected for the attributes, p {p})"
    if grouping.p_holm < ALPHA:
        return f"The groups differ {test}."
    return f"The groups cannot be distinguished {test}: groups of equal accuracy have such a gap by chance."


def power_sentence(rows: Sequence[Detectable]) -> str:
    """Return what all faces of a set detect; empty if nothing is known of it."""
    whole = next((row for row in rows if row.attribute == "all"), None)
    if whole is None:
        return ""
    if whole.sources < MIN_SOURCES:
        few = f"The faces are of {counted(whole.sources, 'source')}: too few to say what differences the set detects"
        return f"{few}, and bootstrap intervals are too narrow." if whole.sources < whole.n else f"{few}."
    if whole.model is None or whole.pair is None:
        return f"{counted(whole.n, 'face')} are too few to detect a difference with {POWER:.0%} power."
    shared = (
        f" Faces of one photo or creator count together: {counted(whole.sources, 'source')}, design effect "
        f"{whole.design_effect:.2f}."
        if whole.sources < whole.n
        else ""
    )
    return (
        f"With {POWER:.0%} power the set shows that this accuracy differs from a fixed value by "
        f"{100 * whole.model:.1f} percentage points or more, and two such models by {100 * whole.pair:.1f}.{shared}"
    )


def human_sentence(human: HumanCeiling | None) -> str:
    """Return how well people do on a set; empty where it is not known."""
    if human is None:
        return ""
    interval = human.reviewer_interval_95
    between = f" (95% interval {percent(interval[0])} to {percent(interval[1])})" if interval else ""
    text = f"A reviewer gives the answer of most others in {percent(human.reviewer_accuracy)} of the votes{between}"
    if human.label_noise is None:
        return f"{text}: all agree, which says nothing of wrong labels."
    return (
        f"{text}. At least an estimated {percent(human.label_noise)} of the labels are wrong, so that a perfect model "
        f"reaches {percent(human.ceiling)} at most."
    )


def human_band(human: HumanCeiling | None) -> Interval | None:
    """Return the accuracies from that of a reviewer to that of a perfect model; None where they are not known."""
    if human is None:
        return None
    ends = human.reviewer_accuracy, 1.0 if human.ceiling is None else human.ceiling
    return min(ends), max(ends)


def temperature_sentence(scaled: Temperature) -> str:
    """Return whether scaling by a temperature helps, by the interval of the change of the log loss."""
    change, interval = scaled.log_loss_change, scaled.log_loss_change_interval_95
    said = f"changes the log loss by {change:+.3f}".replace("-", "−")
    if interval is None:
        return f"{said}."
    low, high = interval
    shown = f"{said} ({low:+.3f} to {high:+.3f})".replace("-", "−")
    if low <= 0 <= high:
        return f"{shown}: no evidence of a change."
    return f"{shown}: it {'helps' if high < 0 else 'harms'}."


def significance_summary(board: Leaderboard) -> str:
    """Return sentences on which pairs differ significantly, by the corrected tests of the pairs alone."""
    unknown = (
        f"{counted(len(board.unpaired), 'model')} without a rank: no predictions.csv, so no test."
        if board.unpaired
        else ""
    )
    said = [_tested(board), _detectable(board), unknown, human_sentence(board.human)]
    return " ".join(filter(None, said))


def _tested(board: Leaderboard) -> str:
    if not board.rows:
        return ""
    if len(board.rows) < 2:
        return "One model: there is nothing to compare."
    pairs, test = len(board.pairs), f"({board.test}, Holm-corrected, p < {ALPHA})"
    significant = sum(pair.p_holm < ALPHA for pair in board.pairs)
    identical = sum(pair.identical for pair in board.pairs)
    if identical == pairs:
        models = "Both models" if pairs == 1 else "All models"
        text = f"{models} give identical answers: nothing distinguishes them on these faces."
    elif not significant:
        models = "these two models" if pairs == 1 else "any two of these models"
        text = f"No significant difference between {models} {test}: their order may be due to chance."
    elif pairs == 1:
        text = f"The two models differ significantly {test}."
    else:
        text = f"{significant} of {pairs} pairs {'differs' if significant == 1 else 'differ'} significantly {test}."
    if any(row.tied for row in board.rows):
        text += " A rank is 1 plus the number of models that are significantly better; = marks a shared rank."
    if pairs > 1 and identical < pairs:
        text += f" All models together: Cochran's Q, p = {board.p_any:.2g}."
    return text


def _detectable(board: Leaderboard) -> str:
    known = [pair.detectable for pair in board.pairs if pair.detectable is not None and not pair.identical]
    if not known:
        return ""
    low, high = (f"{100 * end:.1f}" for end in (min(known), max(known)))
    points = f"{low} percentage points"
    if low != high:
        points = f"{low} to {high} percentage points, depending on the pair"
    return f"With {POWER:.0%} power this test finds differences of {points}."


def order_sentences(board: Leaderboard) -> list[str]:
    """Return for each model, the best first, how it compares with those that follow it; empty for many models."""
    if not 2 < len(board.rows) <= NAMED:
        return []
    sentences = []
    for row in board.rows[:-1]:
        pairs = [pair for pair in board.pairs if pair.first == row.model]
        same = [pair.second for pair in pairs if pair.identical]
        worse = [pair.second for pair in pairs if pair.p_holm < ALPHA]
        rest = [pair.second for pair in pairs if pair.second not in same and pair.second not in worse]
        said = [
            f"{verb} {listed(names)}"
            for verb, names in (
                ("gives the same answers as", same),
                ("is significantly better than", worse),
                ("cannot be distinguished from", rest),
            )
            if names
        ]
        sentences += [f"{row.model} {listed(said)}."] if said else []
    return sentences


def percent(share: float | None) -> str:
    """Show a share: `61.9%`; a dash for None."""
    return "–" if share is None else f"{100 * share:.1f}%".replace("-", "−")
