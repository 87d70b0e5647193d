"""Replace faces of a sample that are taken down by the next faces of the same class."""

import hashlib
import json
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import msgspec

from btfer_builder.catalog.release import sample_rows
from btfer_builder.catalog.sample import AcceptedFace, accepted_faces, last_recipe, reserved_faces
from btfer_builder.config import SampleRecipe
from btfer_builder.errors import BtferError
from btfer_builder.images.decode import is_whole_png
from btfer_builder.labels import EMOTIONS, Emotion
from btfer_builder.records import SampledFace
from btfer_builder.sample.choose import ONLY_SPLIT, by_rank
from btfer_builder.sample.folder import sample_path
from btfer_builder.sample.source_limits import Eligible, SplitAllocator
from btfer_builder.sample.stage import eligible_faces, source_limits
from btfer_builder.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Replacement:
    """A face that leaves the sample, and the face that replaces it; None if there is none."""

    face_id: str
    emotion: Emotion
    split: str
    by: str | None


def find_replacements(
    workspace: Workspace, gone_faces: Collection[str], gone_images: Collection[str]
) -> tuple[list[SampledFace], list[Replacement]]:
    """Return the sample after some faces are replaced, and the replacements.

    Replacements come from the reserve in its order, then from the other eligible faces by rank; faces of the same
    cell are preferred. All caps hold, and no photo, creator or near duplicate is in two splits.

    Raises
    ------
    BtferError
        If the file of a replacement is missing.
    """
    catalog = workspace.catalog
    rows = sample_rows(catalog)
    if not any(row["face_id"] in gone_faces for row in rows):  # looking for the next ones would cost most
        return sorted(map(_as_drawn, rows), key=_place), []
    recipe = drawn_with(workspace)
    accepted = accepted_faces(catalog)
    faces = {face.face_id: face for face in accepted if face.image_id not in gone_images}
    eligible, _ = eligible_faces(workspace, recipe, list(faces.values()))
    by_id = {face.face_id: face for face in eligible}
    splits = tuple(recipe.splits) or (ONLY_SPLIT,)
    allocator = SplitAllocator(source_limits(recipe), {})
    staying = [row for row in rows if row["face_id"] not in gone_faces]
    for row in staying:
        if face := by_id.get(row["face_id"]):
            allocator.put(face, row["split"])
    in_sample = {row["face_id"] for row in rows}
    waiting = _waiting(workspace, recipe, [face for face in eligible if face.face_id not in in_sample])
    going, _ = eligible_faces(workspace, recipe, [face for face in accepted if face.face_id in gone_faces])
    cells = {face.face_id: face.cell for face in going}
    chosen = [_as_drawn(row) for row in staying]
    replacements = []
    for row in sorted(
        (row for row in rows if row["face_id"] in gone_faces), key=lambda row: (row["emotion"], row["rank"])
    ):
        emotion, split = row["emotion"], row["split"]
        fitting = [face for face in waiting if face.emotion == emotion and allocator.fits(face, split)]
        same_cell = [face for face in fitting if face.cell == cells.get(row["face_id"])]
        new = next(iter(same_cell or fitting), None)
        replacements.append(Replacement(row["face_id"], emotion, split, new and new.face_id))
        if new:
            allocator.put(new, split)
            waiting.remove(new)
            path = sample_path(new.face_id, emotion, split, splits)
            chosen.append(
                SampledFace(
                    new.face_id, emotion, row["rank"], path, split, _sha256(workspace, faces[new.face_id])
                )
            )
    return sorted(chosen, key=_place), replacements


def _as_drawn(row: sqlite3.Row) -> SampledFace:
    return SampledFace(row["face_id"], row["emotion"], row["rank"], row["path"], row["split"], row["sha256"])


def _place(face: SampledFace) -> tuple[int, int]:
    return EMOTIONS.index(face.emotion), face.rank


def drawn_with(workspace: Workspace) -> SampleRecipe:
    """Return the recipe of the last draw, else the recipe of the workspace."""
    text = last_recipe(workspace.catalog)
    try:
        return msgspec.convert(json.loads(text), SampleRecipe) if text else workspace.recipe.sample
    except msgspec.ValidationError:  # written by another version
        return workspace.recipe.sample


def _waiting(workspace: Workspace, recipe: SampleRecipe, others: Sequence[Eligible]) -> list[Eligible]:
    by_id = {face.face_id: face for face in others}
    reserve = [by_id[face_id] for face_id, _ in reserved_faces(workspace.catalog) if face_id in by_id]
    ids = {face.face_id for face in reserve}
    return reserve + [face for face in by_rank(others, recipe.seed) if face.face_id not in ids]


def _sha256(workspace: Workspace, face: AcceptedFace) -> str:
    path = workspace.files / face.path
    try:
        content = path.read_bytes()
    except OSError:
        raise BtferError(f"{path} is gone; make it again with: btfer crop") from None
    if not is_whole_png(content):
        raise BtferError(f"{path} is damaged; make it again with: btfer crop")
    return hashlib.sha256(content).hexdigest()
