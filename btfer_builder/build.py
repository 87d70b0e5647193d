"""Run every stage that needs no person, in order, up to the review, and draw the sample once it is done."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any, Literal, get_args

from btfer_builder.catalog.forecast import emotion_progress, review_seconds
from btfer_builder.catalog.funnel import StageCount, funnel
from btfer_builder.config import CrawlRecipe, QueriesRecipe, SampleRecipe, SourceRecipe, override
from btfer_builder.crawl.engines import SEARCH_ENGINES
from btfer_builder.crawl.engines.folder import find_classes
from btfer_builder.crawl.stage import crawl, plan
from btfer_builder.crop.stage import crop
from btfer_builder.dedupe.face_stage import dedupe_faces
from btfer_builder.dedupe.stage import dedupe
from btfer_builder.images.files import list_images
from btfer_builder.io.text import counted
from btfer_builder.next_step import NextStep, next_step
from btfer_builder.queries.plan import plan_queries
from btfer_builder.sample.stage import SampleResult, sample
from btfer_builder.workspace import Workspace

BuildStage = Literal["crawl", "dedupe", "crop", "dedupe-faces", "review", "sample"]
STAGES: tuple[BuildStage, ...] = get_args(BuildStage)

#: Seconds for one item on two processors, from docs/scale.md; that of the review is measured.
SECONDS: dict[str, float] = {"dedupe": 1 / 500, "crop": 1 / 18, "dedupe-faces": 1 / 500}
#: What each stage does when its items are not known yet.
_WORK = {
    "dedupe": "the images that the crawl brings",
    "crop": "the images that dedupe keeps",
    "dedupe-faces": "the faces that crop finds",
    "review": "the faces, by you",
}


@dataclass(frozen=True)
class BuildSettings:
    """What a build does.

    Attributes
    ----------
    crawl, queries, source, path
        As in `crawl.stage.crawl`.
    sample
        How the sample is drawn; its faces of each emotion are also what the crawl aims at.
    asked
        The settings of the sample that were given explicitly.
    engine_named
        Whether the engines were given explicitly.
    until
        The last stage.
    """

    crawl: CrawlRecipe
    queries: QueriesRecipe
    source: SourceRecipe
    sample: SampleRecipe
    path: Path | None = None
    asked: frozenset[str] = frozenset()
    engine_named: bool = False
    until: BuildStage = "sample"

    def reaches(self, stage: str) -> bool:
        """Return whether a stage is part of the build."""
        return STAGES.index(stage) <= STAGES.index(self.until)


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """What a build will do in a stage; `items` and `seconds` are None where they are not known yet."""

    stage: str
    work: str
    items: int | None = None
    seconds: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the form of `btfer build --plan --json`."""
        return {"stage": self.stage, "work": self.work, "items": self.items, "seconds": self.seconds}


@dataclass(frozen=True)
class BuildResult:
    """What a build did.

    Attributes
    ----------
    ran
        The stages that ran, as the funnel counts them now.
    sample
        The draw, if there was one.
    next
        What to do next; a review is the user's.
    """

    ran: list[StageCount] = field(default_factory=list)
    sample: SampleResult | None = None
    next: NextStep | None = None

    @property
    def waits_for_review(self) -> bool:
        """Whether the build goes on when faces are reviewed."""
        return self.next is not None and self.next.stage == "review-faces"

    def to_dict(self) -> dict[str, Any]:
        """Return the form of `btfer build --json`."""
        return {
            "stages": [stage.to_dict() for stage in self.ran],
            "sample": self.sample and self.sample.to_dict(),
            "next": self.next and self.next.to_dict(),
        }


def plan_build(workspace: Workspace, settings: BuildSettings) -> list[PlannedStage]:
    """Return what a build will do, with estimates; nothing is requested or written."""
    step, catalog = _step(workspace, settings), workspace.catalog
    at = {stage.stage: stage for stage in funnel(catalog)}
    planned: list[PlannedStage] = []
    growing = False  # an earlier stage brings items of which nothing is known yet
    if _crawls(step, settings):
        planned.append(_planned_crawl(workspace, settings))
        growing = True
    for stage in ("dedupe", "crop", "dedupe-faces"):
        waiting = at[stage].waiting
        if growing:
            planned.append(PlannedStage(stage, _WORK[stage]))
        elif waiting:
            unit = at[stage].unit[:-1]
            planned.append(PlannedStage(stage, counted(waiting, unit), waiting, waiting * SECONDS[stage]))
        growing = growing or bool(waiting)
    waiting = at["review-faces"].waiting
    if growing or step.stage == "review-faces":
        known = None if growing else waiting
        work = _WORK["review"] if growing else f"{step.sentence}, by you"
        planned.append(PlannedStage("review", work, known, known and known * review_seconds(catalog)))
    if planned or step.stage == "sample":
        planned.append(
            PlannedStage("sample", f"{counted(settings.sample.faces_per_class, 'face')} of each emotion")
        )
    return [each for each in planned if settings.reaches(each.stage)]


def _planned_crawl(workspace: Workspace, settings: BuildSettings) -> PlannedStage:
    recipe = _crawl_recipe(settings)
    if any(name not in SEARCH_ENGINES for name in recipe.engine):
        if settings.path is None or "folder" not in recipe.engine:
            return PlannedStage("crawl", f"all pictures in {settings.path}")
        folders, _ = find_classes(settings.path, settings.queries.emotion)
        count = sum(len(list_images(folder.path).images) for folder in folders)
        return PlannedStage("crawl", f"{counted(count, 'picture')} in {settings.path}", count)
    lines = plan(workspace, recipe, plan_queries(workspace.queries, settings.queries))
    missing = sum(line.missing_images(recipe.for_sample) for line in emotion_progress(workspace.catalog))
    parts, seconds, least = [], 0.0, 0
    for line in lines:
        few = line.requests
        if recipe.for_sample:  # if every result were an image of use
            pages = missing / len(lines) / SEARCH_ENGINES[line.engine].feeder.page_size
            few = min(line.requests, max(1, ceil(pages)))
        parts.append(f"{counted(few, 'request')} or more to {line.engine}, at most {line.requests:,}")
        seconds = max(seconds, line.seconds * few / line.requests if line.requests else 0.0)
        least += few
    return PlannedStage("crawl", "; ".join(parts) or "nothing is left to ask", least, seconds)


def build(
    workspace: Workspace, settings: BuildSettings, on_stage: Callable[[StageCount, float], None] | None = None
) -> BuildResult:
    """Run the stages that have work, in order; stop where a person is needed, or after the last stage.

    A second call continues: it draws the sample when enough faces are accepted, and crawls for more when all faces are
    reviewed and some emotions lack faces.

    Parameters
    ----------
    workspace, settings
        The workspace and what to do in it.
    on_stage
        Called after each stage with its counts and its seconds.

    Raises
    ------
    BtferError
        As the stages raise it; what the stages before did is kept, and the next call continues.
    """
    recipe, result = workspace.recipe, BuildResult()
    if _crawls(_step(workspace, settings), settings):
        queries = plan_queries(workspace.queries, settings.queries)
        crawls = partial(
            crawl, workspace, _crawl_recipe(settings), queries, settings.queries.emotion, settings.path,
            source=settings.source,
        )  # fmt: skip
        result = _run(workspace, "crawl", crawls, result, on_stage)
    stages: dict[str, Callable[[], object]] = {
        "dedupe": partial(dedupe, workspace, recipe.dedupe),
        "crop": partial(crop, workspace, recipe.crop),
        "dedupe-faces": partial(dedupe_faces, workspace, recipe.dedupe),
    }
    for stage, work in stages.items():
        (count,) = funnel(workspace.catalog, [stage])
        if count.waiting and settings.reaches(stage):
            result = _run(workspace, stage, work, result, on_stage)
    step = _step(workspace, settings)
    if step.stage != "sample" or not settings.reaches("sample"):
        return replace(result, next=step)
    draw = partial(sample, workspace, settings.sample, asked=settings.asked)
    result = _run(workspace, "sample", draw, result, on_stage)
    short = result.sample.short if result.sample and result.sample.path is None else None
    return replace(result, next=next_step(workspace, wanted=settings.sample.faces_per_class, short=short))


def _run(
    workspace: Workspace,
    stage: str,
    work: Callable[[], object],
    result: BuildResult,
    on_stage: Callable[[StageCount, float], None] | None,
) -> BuildResult:
    begun = time.monotonic()
    outcome = work()
    (count,) = funnel(workspace.catalog, [stage])
    if on_stage is not None:
        on_stage(count, time.monotonic() - begun)
    drawn = outcome if isinstance(outcome, SampleResult) else result.sample
    return replace(result, ran=[*result.ran, count], sample=drawn)


def _step(workspace: Workspace, settings: BuildSettings) -> NextStep:
    return next_step(workspace, wanted=settings.sample.faces_per_class)


def _crawls(step: NextStep, settings: BuildSettings) -> bool:
    """Return whether a build begins with a crawl: pictures are missing, or others are named.

    Own pictures are not looked for on the web unless an engine is named.
    """
    own = "PATH" in step.command and not settings.engine_named
    return settings.path is not None or (step.stage == "crawl" and not own)


def _crawl_recipe(settings: BuildSettings) -> CrawlRecipe:
    """Return the settings of the crawl, which stops when enough faces are likely unless another end is set."""
    recipe = settings.crawl
    own = any(name not in SEARCH_ENGINES for name in recipe.engine)  # of own pictures all are taken
    if own or recipe.target or recipe.for_sample:
        return recipe
    return override(recipe, for_sample=settings.sample.faces_per_class)
