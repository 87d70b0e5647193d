"""The answers to the paper's questions as people read them: Markdown."""

from collections.abc import Sequence

from btfer_builder.benchmark.questions import MEASURES, QUESTIONS, PairedComparison
from btfer_builder.evaluate.metrics.scores import Interval

_HEADS = (
    "first – second", "among", "accuracy on", "pairs", "means", "difference [interval]", "d", "p", "faces",
    "better, worse",
)  # fmt: skip


_OURS = "Every line compares settings that differ in nothing else, first minus second."

_THEIRS = """\
These are the numbers of the authors' notebooks, first minus second. A line's settings agree in dataset, size,
network, weights and balancing but for what it compares; they differ in other things, so no line shows a cause:

* AffectNet is another copy at 48 pixels than at 224, and networks trained on that at 48 miss most happy and
  neutral faces of BTFER. This confounds RQ1, and the training sets at 48.
* On AffectNet simple and conservative weights are the same: its pairs in RQ3 are repetitions.
* Heads differ within a network. Simple has a larger one than conservative with MobileNet and MobileNetV2 at 48,
  and on FER2013 with EfficientNetV2 and Sequential 3 Conv at 48 and both MobileNets, VGG16, VGG19, ResNet50 and
  Xception (all from ImageNet) at 224.
* Learning rates (1e-6 to 1e-3), augmentation and the length of both phases differ, also with the balancing.
* Most numbers are of the last epoch, some of the best one or of a file. No seeds were set.
* Most of NASNetMobile, some of Xception and one ResNet50 were tested on other pixel values than trained on.
* Every own split also steered the training. BTFER accuracies leave out some 50 of its 2,100 faces at random.

A run whose base stayed frozen is left out."""

_COLUMNS = (
    "*Interval*: 95 % of the mean over pairs (Student's t). *d*: Cohen's, of paired values. *p*: Wilcoxon's "
    "signed-rank test over pairs, corrected by Holm for all lines of its measure. *Faces*: 95 % interval of the "
    "same difference, drawing the faces again, where all pairs have the same. *Better, worse*: pairs that "
    "McNemar's exact test tells apart (Holm). Pairs share networks and faces, so the tests speak of these, and "
    "no more than these."
)


def questions_markdown(contrasts: Sequence[PairedComparison]) -> str:
    """Return the answers for people."""
    parts = [_THEIRS if any(one.authors for one in contrasts) else _OURS, _COLUMNS]
    for name, text in QUESTIONS.items():
        own = [one for one in contrasts if one.question == name]
        if not own:
            parts.append(f"### {name}. {text}\n\nThe grid has no two settings that differ in this only.")
            continue
        lines = [
            f"### {name}. {text}",
            "",
            f"| {' | '.join(_HEADS)} |",
            "|---|---|---|--:|---|---|--:|--:|---|---|",
            *(_row(one) for one in own),
            "",
            *(f"* {one.within}, {MEASURES[one.measure]}: {one.answer}." for one in own),
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _row(one: PairedComparison) -> str:
    cells = [
        f"{one.first} – {one.second}",
        one.within,
        MEASURES[one.measure],
        str(one.pairs),
        f"{one.first_mean:.3f}, {one.second_mean:.3f}",
        f"{one.difference:+.3f}{_interval(one.interval)}",
        "–" if one.effect is None else f"{one.effect:+.2f}",
        f"{one.p_holm:.3f}" if one.p_holm >= 0.001 else "< 0.001",
        _interval(one.faces).strip() or "–",
        "–" if one.better is None else f"{one.better}, {one.worse}",
    ]
    return "| " + " | ".join(cells) + " |"


def _interval(interval: Interval | None) -> str:
    return "" if interval is None else f" [{interval[0]:+.3f}, {interval[1]:+.3f}]"
