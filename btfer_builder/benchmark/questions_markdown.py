"""The answers to the paper's questions as Markdown."""

from collections.abc import Sequence

from btfer_builder.benchmark.questions import MEASURES, QUESTIONS, PairedComparison
from btfer_builder.evaluate.metrics.scores import Interval

_HEADS = (
    "first – second", "among", "accuracy on", "networks (pairs)", "means", "difference [interval]", "d", "p", "faces",
    "better, worse",
)  # fmt: skip


#: Above the tables of a grid, and of the authors' numbers.
_OURS = "Every row compares settings that differ in nothing else. Differences are first minus second."

_THEIRS = """\
These are the numbers of the authors' notebooks; differences are first minus second. The settings of a row agree in
dataset, size, network, weights and balancing except for what it compares. They differ in other things, so no row shows
a cause:

* AffectNet at 48 pixels is another copy than at 224, and networks trained on it at 48 miss most happy and neutral
  faces of BTFER. This confounds RQ1, and the training sets at 48.
* On AffectNet simple and conservative weights are equal: its pairs in RQ3 are repetitions.
* Heads differ within a network. The head of simple is larger than that of conservative for MobileNet and MobileNetV2
  at 48, and on FER2013 for EfficientNetV2 and Sequential 3 Conv at 48 and both MobileNets, VGG16, VGG19, ResNet50 and
  Xception (all from ImageNet) at 224.
* Learning rates (1e-6 to 1e-3), augmentation and the length of both phases differ, also with the balancing.
* Most numbers are of the last epoch, some of the best epoch or of a saved file. No seeds were set.
* Most of NASNetMobile, some of Xception and one ResNet50 were tested on other pixel values than trained on.
* Every own split was also used during training. BTFER accuracies leave out about 50 of its 2,100 faces at random.

A run with a frozen base is left out."""

_COLUMNS = (
    "The unit is the network: each counts once, with the mean over its datasets, other settings and seeds (*pairs* is "
    "the number of pairs of runs). *Interval*: 95 % interval of the mean over networks (Student's t). *d*: Cohen's d "
    "over networks. *p*: Wilcoxon's signed-rank test over networks, Holm-corrected for all rows of the measure; it "
    "cannot reach 0.05 with fewer than six networks. *Faces*: 95 % bootstrap interval of the same difference over the "
    "faces, where all pairs have the same faces: it is about these runs, not about other seeds or networks, and is not "
    "corrected; the sentences follow its sign-flip test, Holm-corrected for all rows of the measure. *Better, "
    "worse*: number of pairs with a significant difference (McNemar's exact test, Holm-corrected). All of it is about "
    "these datasets."
)


def questions_markdown(comparisons: Sequence[PairedComparison]) -> str:
    """Return the answers as Markdown."""
    parts = [_THEIRS if any(item.authors for item in comparisons) else _OURS, _COLUMNS]
    for name, text in QUESTIONS.items():
        of_question = [item for item in comparisons if item.question == name]
        if not of_question:
            parts.append(f"### {name}. {text}\n\nThe grid has no two settings that differ in this only.")
            continue
        lines = [
            f"### {name}. {text}",
            "",
            f"| {' | '.join(_HEADS)} |",
            "|---|---|---|--:|---|---|--:|--:|---|---|",
            *(_row(item) for item in of_question),
            "",
            *(f"* {item.within}, {MEASURES[item.measure]}: {item.answer}." for item in of_question),
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _row(comparison: PairedComparison) -> str:
    cells = [
        f"{comparison.first} – {comparison.second}",
        comparison.within,
        MEASURES[comparison.measure],
        f"{comparison.networks} ({comparison.pairs})",
        f"{comparison.first_mean:.3f}, {comparison.second_mean:.3f}",
        f"{comparison.difference:+.3f}{_interval(comparison.interval)}",
        "–" if comparison.effect is None else f"{comparison.effect:+.2f}",
        f"{comparison.p_holm:.3f}" if comparison.p_holm >= 0.001 else "< 0.001",
        _interval(comparison.faces).strip() or "–",
        "–" if comparison.better is None else f"{comparison.better}, {comparison.worse}",
    ]
    return "| " + " | ".join(cells) + " |"


def _interval(interval: Interval | None) -> str:
    return "" if interval is None else f" [{interval[0]:+.3f}, {interval[1]:+.3f}]"
