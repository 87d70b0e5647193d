"""The sample stage: draw faces, write their files and record them."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

from btfer_builder.catalog.dedupe import hashed_images, likenesses
from btfer_builder.catalog.leakage import leaked_ids
from btfer_builder.catalog.manifests import write_decisions, write_manifests
from btfer_builder.catalog.purge import purged_ids
from btfer_builder.catalog.sample import (
    AcceptedFace,
    Source,
    accepted_faces,
    last_recipe,
    replace_sample,
    sampled_faces,
    searched_cells,
    sources,
)
from btfer_builder.config import SampleRecipe, changes
from btfer_builder.config.refuse_loss import refuse_loss
from btfer_builder.crop.repair import repair_faces
from btfer_builder.errors import BtferError
from btfer_builder.io.terminal import echo_stderr
from btfer_builder.io.text import counted
from btfer_builder.labels import EMOTIONS, Emotion
from btfer_builder.next_step import NextStep, next_step
from btfer_builder.reconcile import writing
from btfer_builder.records import SampledFace, UnsampledFace
from btfer_builder.sample.cached_faces import delete_cached_faces
from btfer_builder.sample.choose import ONLY_SPLIT, CellCount, Draw, choose
from btfer_builder.sample.folder import restore_sample, sample_path, write_sample
from btfer_builder.sample.provenance import NO_SOURCE, best_source, host_of, license_of
from btfer_builder.sample.source_limits import Eligible, SourceLimits
from btfer_builder.sample.split_groups import group_photos
from btfer_builder.workspace import Workspace


@dataclass(frozen=True, slots=True)
class SampleResult:
    """The outcome of a draw.

    Attributes
    ----------
    accepted, per_class, reserve, short
        Number of accepted, drawn, reserved and missing faces of each class.
    path
        The folder; None if nothing was written.
    splits
        Number of drawn faces in each split.
    passed_over
        Number of accepted faces that were not drawn, by reason.
    stratify, cells
        The attributes of the strata, and for each stratum how many faces were asked for and drawn.
    """

    accepted: dict[Emotion, int]
    per_class: dict[Emotion, int]
    short: dict[Emotion, int]
    path: Path | None
    reserve: dict[Emotion, int]
    splits: dict[str, int]
    passed_over: dict[str, int]
    stratify: tuple[str, ...] = ()
    cells: tuple[CellCount, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the form of `btfer sample --json`."""
        return {
            "per_class": self.per_class,
            "short": self.short,
            "path": self.path and str(self.path),
            "reserve": self.reserve,
            "splits": self.splits,
            "passed_over": self.passed_over,
            "cells": [
                {
                    "emotion": count.emotion,
                    **dict(zip(self.stratify, count.cell, strict=True)),
                    "asked": count.asked,
                    "got": count.got,
                    "short": count.short,
                }
                for count in self.cells
            ],
        }

    def _repr_html_(self) -> str:
        """Show the faces of each emotion in a notebook, and the cells of a stratified sample that are short."""
        import pandas as pd

        rows = [self.accepted, self.per_class, self.reserve, self.short]
        table = pd.DataFrame(rows, ["accepted", "drawn", "in reserve", "missing"]).fillna(0).astype(int)
        splits = ", ".join(f"{count:,} in {name}" for name, count in self.splits.items())
        short = sum(1 for cell in self.cells if cell.short)
        cells = f"<p>{short:,} of {len(self.cells):,} cells are short.</p>" if self.cells else ""
        drawn = sum(self.per_class.values())
        return f"<p>Sample of {counted(drawn, 'face')}: {escape(splits)}</p>{table.to_html(border=0)}{cells}"


def sample(
    workspace: Workspace, recipe: SampleRecipe, *, asked: Collection[str] | None = None
) -> SampleResult:
    """Draw the sample into `data/sample/<emotion>/<face_id>.png` (§2, stage 4).

    With several splits the path is `data/sample/<split>/<emotion>/<face_id>.png`. If a class is short, nothing is
    written and an earlier sample stays, unless `allow_short` is set.

    The same settings draw the same faces of the same catalog. Faces of an earlier sample may leave because of
    settings in `asked`, but not because of other settings that differ from the earlier draw.

    Parameters
    ----------
    workspace, recipe
        The workspace, and the settings of the draw.
    asked
        Names of the settings that are given explicitly; None means all.

    Raises
    ------
    BtferError
        If no face is accepted, faces of the earlier sample would leave because of settings that are not in `asked`,
        a face file is missing, or the disk is full; an earlier sample stays.
    """
    catalog, target = workspace.catalog, workspace.data / "sample"
    with workspace.stage("sample"), catalog.run("sample", recipe) as counts:
        restore_sample(target)
        faces = accepted_faces(catalog)
        damaged = repair_faces(workspace, {face.face_id for face in faces} - purged_ids(catalog, "face"))
        eligible, refused = eligible_faces(
            workspace, recipe, [face for face in faces if face.face_id not in damaged]
        )
        refused |= dict.fromkeys(sorted(damaged), "unreadable")
        draw = choose(
            eligible,
            recipe.per_class,
            recipe.seed,
            caps=source_limits(recipe),
            splits={str(name): count for name, count in recipe.splits.items()},
            reserve=recipe.reserve,
            cells=searched_cells(catalog, recipe.stratify),
        )
        passed_over = refused | draw.passed_over
        result = _result(recipe, faces, draw, passed_over)
        counts |= {"per_class": result.per_class, "short": draw.short}
        if draw.short and not recipe.allow_short:
            return result
        if not faces and not sampled_faces(catalog):
            raise BtferError(f"sample: nothing to do; {step_after(workspace, result)}")
        splits = tuple(recipe.splits) or (ONLY_SPLIT,)
        chosen = [
            SampledFace(face_id, emotion, rank, sample_path(face_id, emotion, split, splits), split)
            for emotion in EMOTIONS
            for rank, face_id in enumerate(draw.chosen[emotion])
            for split in [draw.split_of[face_id]]
        ]
        others = {face.face_id for face in faces if refused.get(face.face_id) != "leaked"}
        _check_earlier(workspace, recipe, {face.face_id for face in chosen}, others, asked)
        files = {face.face_id: workspace.files / face.path for face in faces}
        with writing(workspace, "sample", "data/sample"):
            chosen = write_sample(workspace.root, target, chosen, files, splits)
            replace_sample(catalog, chosen, _undrawn(faces, draw, passed_over))
            delete_cached_faces(workspace)
            write_manifests(catalog, workspace.manifests, "sample")
            write_decisions(catalog, workspace.manifests)
        return replace(result, path=target)


def shortage(workspace: Workspace, result: SampleResult) -> BtferError:
    """Return the error of a sample that was not written because classes have too few faces, with the next step."""
    missing = ", ".join(f"{emotion} {count}" for emotion, count in result.short.items())
    return BtferError(
        f"some classes have too few faces (missing: {missing}); nothing was written. Next: "
        f"{step_after(workspace, result)}; or use a smaller --per-class or --allow-short"
    )


def step_after(workspace: Workspace, result: SampleResult) -> NextStep:
    """Return what to do after a draw; one that was too short leads to more faces."""
    if result.path is not None:
        return next_step(workspace)
    return next_step(
        workspace,
        short=result.short,
        wanted=max(result.per_class[e] + result.short.get(e, 0) for e in EMOTIONS),
    )


def eligible_faces(
    workspace: Workspace, recipe: SampleRecipe, faces: Sequence[AcceptedFace]
) -> tuple[list[Eligible], dict[str, str]]:
    """Return the faces that may be drawn, and the reason why each other face may not."""
    source = dict.fromkeys((face.image_id for face in faces), NO_SOURCE)
    if recipe.per_host or recipe.per_creator or recipe.license or len(recipe.splits) > 1:
        candidates = sources(workspace.catalog, source)
        source = {image_id: best_source(candidates.get(image_id, ())) for image_id in source}
    groups = _groups(workspace, source) if len(recipe.splits) > 1 else {}
    leaked, purged = leaked_ids(workspace.catalog), purged_ids(workspace.catalog, "face")
    eligible, refused = [], {}
    for face in faces:
        origin = source[face.image_id]
        if face.face_id in purged:
            refused[face.face_id] = "purged"
        elif face.face_id in leaked:
            refused[face.face_id] = "leaked"
        elif face.agreement < recipe.agreement - 1e-9:  # 0.55 of 20 is 11 despite rounding
            refused[face.face_id] = "low_agreement"
        elif recipe.license and license_of(origin) not in recipe.license:
            refused[face.face_id] = "license"
        else:
            cell = tuple(face.attributes[name] for name in recipe.stratify)
            eligible.append(
                Eligible(
                    face.face_id,
                    face.emotion,
                    face.image_id,
                    host_of(origin),
                    origin.creator,
                    cell,
                    groups.get(face.image_id, ""),
                )
            )
    return eligible, refused


def _check_earlier(
    workspace: Workspace,
    recipe: SampleRecipe,
    chosen: set[str],
    usable: set[str],
    asked: Collection[str] | None,
) -> None:
    """Refuse to replace the earlier sample because of forgotten settings; print how many faces leave it.

    Only `usable` faces can leave because of settings; the others are rejected or leaked by now.
    """
    earlier = {row["face_id"] for row in sampled_faces(workspace.catalog)}
    drawn_with = last_recipe(workspace.catalog)
    if not (leaving := earlier - chosen):
        return
    forgotten = [
        change
        for change in changes(json.loads(drawn_with) if drawn_with else None, recipe)
        if asked is not None and change.name not in asked
    ]
    refuse_loss(
        "sample",
        forgotten,
        lost="faces",
        reviewed=0,
        sampled=len(leaving & usable),
        go_on="btfer sample --redraw",
    )
    echo_stderr(
        f"sample: {len(leaving)} of the {len(earlier)} faces of the earlier sample are not in this one"
    )


def source_limits(recipe: SampleRecipe) -> SourceLimits:
    """Return the source limits of a recipe."""
    return SourceLimits(recipe.per_photo, recipe.per_host, recipe.per_creator)


def _groups(workspace: Workspace, source: dict[str, Source]) -> dict[str, str]:
    near = workspace.recipe.dedupe
    creators = {image_id: origin.creator for image_id, origin in source.items()}
    return group_photos(
        creators,
        hashed_images(workspace.catalog),
        likenesses(workspace.catalog),
        near.radius,
        near.mirrored,
    )


def _result(
    recipe: SampleRecipe, faces: Sequence[AcceptedFace], draw: Draw, passed_over: dict[str, str]
) -> SampleResult:
    reasons = list(passed_over.values())
    splits = list(draw.split_of.values())
    return SampleResult(
        {emotion: sum(face.emotion == emotion for face in faces) for emotion in EMOTIONS},
        {emotion: len(draw.chosen[emotion]) for emotion in EMOTIONS},
        draw.short,
        None,
        {emotion: len(draw.reserve[emotion]) for emotion in EMOTIONS},
        {name: splits.count(name) for name in recipe.splits or (ONLY_SPLIT,)},
        {reason: reasons.count(reason) for reason in sorted(set(reasons))},
        recipe.stratify,
        draw.cells if recipe.stratify else (),
    )


def _undrawn(faces: Sequence[AcceptedFace], draw: Draw, passed_over: dict[str, str]) -> list[UnsampledFace]:
    rank_of = {face_id: rank for ids in draw.reserve.values() for rank, face_id in enumerate(ids)}
    return [
        UnsampledFace(face.face_id, face.emotion, passed_over[face.face_id], rank_of.get(face.face_id, 0))
        for face in faces
        if face.face_id in passed_over
    ]
