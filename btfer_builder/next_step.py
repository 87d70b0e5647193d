"""The next step of a workspace: one sentence and one command, which follow from the funnel."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.forecast import emotion_progress
from btfer_builder.catalog.funnel import StageCount, funnel
from btfer_builder.catalog.item_counts import ItemCounts
from btfer_builder.catalog.open_faces import OpenFaces, open_faces
from btfer_builder.catalog.sample import sample_state
from btfer_builder.errors import BtferError
from btfer_builder.io.text import clause, counted
from btfer_builder.labels import EMOTIONS, Emotion
from btfer_builder.workspace import Workspace

#: The commands of the stages that need no person, in their order.
COMMANDS = {
    "crawl": "btfer crawl",
    "dedupe": "btfer dedupe",
    "crop": "btfer crop",
    "dedupe-faces": "btfer dedupe --faces",
}


@dataclass(frozen=True, slots=True)
class NextStep:
    """What to do next.

    Attributes
    ----------
    stage
        The stage of the funnel that it concerns, or `eval` or `release`.
    sentence
        Why.
    command
        What to run; words in capitals are to be filled in.
    """

    stage: str
    sentence: str
    command: str

    def __str__(self) -> str:
        return f"{self.sentence}: {self.command}"

    def to_dict(self) -> dict[str, str]:
        """Return the form of `next` in the output of `--json`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the next step depends on besides the funnel.

    Attributes
    ----------
    wanted
        Faces of each emotion that a sample has.
    drawable
        Accepted faces that a sample can draw, by emotion.
    open
        Faces without a verdict.
    recrawl
        The command that continues a crawl that was interrupted; empty if the last one ended.
    engines
        The options of the last crawl that name its engines, if they are not those of `btfer.toml`.
    draw
        The options of a sample of `wanted` faces, if that is not the number of `btfer.toml`.
    stale
        Faces of the sample that are not in the set any more.
    redraw
        Whether a draw was too short, so that the present sample is not the one that is wanted.
    scored, released
        Whether a model was scored on the sample, and whether there is a release.
    """

    wanted: int
    drawable: Mapping[Emotion, int] = field(default_factory=dict)
    open: OpenFaces = field(default_factory=OpenFaces)
    recrawl: str = ""
    engines: str = ""
    draw: str = ""
    stale: int = 0
    redraw: bool = False
    scored: bool = False
    released: bool = False

    @property
    def short(self) -> dict[Emotion, int]:
        """Return how many faces are missing, by emotion."""
        missing = {emotion: self.wanted - self.drawable.get(emotion, 0) for emotion in EMOTIONS}
        return {emotion: count for emotion, count in missing.items() if count > 0}


def next_step(
    workspace: Workspace,
    stages: Sequence[StageCount] = (),
    *,
    wanted: int = 0,
    short: Mapping[Emotion, int] | None = None,
    counts: ItemCounts | None = None,
) -> NextStep:
    """Return what to do next in a workspace.

    Parameters
    ----------
    workspace
        The workspace.
    stages
        The whole funnel, if it was counted already.
    wanted
        Faces of each emotion that the sample has; 0 for those of `btfer.toml`.
    short
        Faces that a draw found missing, by emotion.
    counts
        The items, if they were counted already.
    """
    catalog = workspace.catalog
    counts = counts or ItemCounts(catalog)
    usual = workspace.recipe.sample.faces_per_class
    wanted = wanted or usual
    drawable = {line.emotion: line.drawable for line in emotion_progress(catalog, counts)}
    if short is not None:  # a draw also knows about licences, leakage and limits of sources
        drawable = {emotion: wanted - short.get(emotion, 0) for emotion in EMOTIONS}
    state = sample_state(catalog)
    recrawl, named = _crawls(catalog, workspace.recipe.crawl.engine)
    return step_of(
        _Stages(counts, stages),
        Facts(
            wanted=wanted,
            drawable=drawable,
            open=open_faces(counts),
            recrawl=recrawl,
            engines=named,
            draw=f" --per-class {wanted}" if wanted != usual else "",
            stale=state.left + state.rejected + state.relabelled + state.taken_down,
            redraw=short is not None,
            scored=any(workspace.reports.glob("*/metrics.json")),
            released=bool(catalog.value("SELECT EXISTS (SELECT 1 FROM releases)")),
        ),
    )


def require_items(workspace: Workspace, stage: str, command: str = "", otherwise: str = "") -> None:
    """Refuse a stage that no item has reached, and name the step that comes before it.

    Parameters
    ----------
    workspace, stage
        The workspace, and the stage of its funnel.
    command
        What is refused; empty for the stage.
    otherwise
        What else can be done, as the end of the message.

    Raises
    ------
    BtferError
        If nothing came in and nothing waits.
    """
    (count,) = funnel(workspace.catalog, [stage])
    if not count.came_in + count.waiting:
        raise BtferError(f"{command or stage}: nothing to do; {next_step(workspace)}{otherwise}")


def no_sample(workspace: Workspace, purpose: str = "yet", otherwise: str = "") -> BtferError:
    """Return the error of a command that needs a sample, with the step that leads to one."""
    drawn = f"{workspace.root} has no sample {purpose} (btfer sample draws it{otherwise})"
    return BtferError(f"{drawn}; {next_step(workspace)}")


class _Stages(dict[str, StageCount]):
    """The stages of the funnel by name; each is counted when it is asked for."""

    def __init__(self, counts: ItemCounts, known: Sequence[StageCount]) -> None:
        super().__init__({stage.stage: stage for stage in known})
        self._counts = counts

    def __missing__(self, name: str) -> StageCount:
        (self[name],) = funnel(self._counts.catalog, [name], self._counts)
        return self[name]


def step_of(at: Mapping[str, StageCount], facts: Facts) -> NextStep:
    """Return what to do next: the first stage with work; a full sample needs no further review.

    Parameters
    ----------
    at
        The stages of the funnel by name. The search results are the most numerous; they count only where no image is
        there or a crawl was cut off.
    facts
        What else it depends on.
    """
    if facts.recrawl and (found := at["crawl"].waiting):
        return NextStep("crawl", f"{clause(found, 'search result', 'wait')} for the download", facts.recrawl)
    if not any(at[name].came_in + at[name].waiting for name in ("dedupe", "crawl")):
        return NextStep("crawl", "there are no pictures yet", COMMANDS["crawl"])
    for name in ("dedupe", "crop", "dedupe-faces"):
        stage = at[name]
        if stage.waiting:
            return NextStep(
                name, f"{clause(stage.waiting, stage.unit[:-1], 'wait')} for {name}", COMMANDS[name]
            )
    drawn = at["sample"].kept
    if drawn and not facts.redraw:
        return _after_sample(drawn, facts)
    return _to_sample(at, facts)


def _after_sample(drawn: int, facts: Facts) -> NextStep:
    if facts.stale:
        changed = f"{counted(facts.stale, 'face')} of the sample changed in the review or left the set"
        return (
            _review(facts)
            if facts.short and _waiting(facts.open)
            else NextStep("sample", changed, "btfer sample" + facts.draw)
        )
    if not facts.scored:
        return NextStep(
            "eval", f"the sample has {counted(drawn, 'face')}; score a model on it", "btfer eval MODEL"
        )
    if not facts.released:
        scored = "the sample is drawn and a model is scored; write it as a data set for others"
        return NextStep("release", scored, "btfer release FOLDER --contact ADDRESS")
    return NextStep("eval", "the set is released; score other models", "btfer eval MODEL")


def _to_sample(at: Mapping[str, StageCount], facts: Facts) -> NextStep:
    if not facts.short:
        return NextStep(
            "sample",
            f"each emotion has {counted(facts.wanted, 'accepted face')} or more",
            "btfer sample" + facts.draw,
        )
    if _waiting(facts.open):
        return _review(facts)
    again = COMMANDS["crawl"] + facts.engines
    if "PATH" not in facts.engines:  # of own pictures all are taken
        again += f" --for-sample {facts.wanted}"
    for name, found in (("crawl", "image"), ("crop", "photo with a face")):
        if not at[name].kept:
            return NextStep(
                "crawl", f"{counted(at[name].came_in, at[name].unit[:-1])} gave no {found}", again
            )
    return NextStep("crawl", _shortage(facts), again)


def _waiting(faces: OpenFaces) -> int:
    return faces.unseen + faces.few_votes + faces.disputed


def _review(facts: Facts) -> NextStep:
    faces = facts.open
    if faces.unseen:
        also = f", and {faces.disputed:,} for adjudication" if faces.disputed else ""
        return NextStep(
            "review-faces", f"{clause(faces.unseen, 'face', 'wait')} for review{also}", "btfer review"
        )
    if faces.disputed:
        return NextStep(
            "review-faces",
            f"{clause(faces.disputed, 'face', 'wait')} for adjudication",
            "btfer review --adjudicate",
        )
    return NextStep(
        "review-faces",
        f"{clause(faces.few_votes, 'face', 'wait')} for another reviewer",
        "btfer review --reviewer NAME",
    )


def _shortage(facts: Facts) -> str:
    short = facts.short
    least = facts.wanted - max(short.values())
    notes = [f"{counted(facts.open.skipped, 'face')} skipped"] if facts.open.skipped else []
    notes += [f"there are enough for {least:,} of each (--per-class {least})"] if least else []
    end = "".join(f"; {note}" for note in notes)
    if len(short) > 3:
        most = max(short, key=lambda emotion: short[emotion])
        which = "all" if len(short) == len(EMOTIONS) else f"{len(short)}"
        return f"{which} emotions lack faces, most of all {most} ({short[most]:,} of {facts.wanted:,}){end}"
    (first, count), *others = short.items()
    rest = "".join(f", {emotion} {number:,}" for emotion, number in others)
    return f"{first} lacks {counted(count, 'face')}{rest}{end}"


def _crawls(catalog: Catalog, engines: Sequence[str]) -> tuple[str, str]:
    """Return the command that continues a crawl that was cut off, and the engines of the last crawl as options.

    The command is empty if the crawl ended or dedupe has run since; the options are, if they are those of `btfer.toml`.
    """
    runs = catalog.rows(
        """SELECT command, outcome, recipe FROM runs WHERE command IN ('crawl', 'dedupe') ORDER BY run_id DESC"""
    )
    last = next((run for run in runs if run["command"] == "crawl"), None)
    if last is None:
        return "", ""
    asked = json.loads(last["recipe"]).get("engine", [])
    named = "".join(f" --engine {name}" for name in asked) if list(asked) != list(engines) else ""
    path = " --path PATH" if any(name in ("folder", "urls") for name in asked) else ""
    cut_off = runs[0]["command"] == "crawl" and last["outcome"] != "done"
    return (COMMANDS["crawl"] + named + path if cut_off else ""), named + path
