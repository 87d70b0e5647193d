"""The crop stage: every image that goes on and was not cropped with these settings yet."""

import json
from collections import Counter
from collections.abc import Sequence
from functools import partial

from btfer_builder.catalog.crop import (
    add_crops,
    cropped_with,
    faces_cropped_with,
    stored_settings,
    uncropped_images,
)
from btfer_builder.catalog.manifests import write_manifests
from btfer_builder.catalog.reviewed_work import count_work_on_faces
from btfer_builder.catalog.takedown import face_paths
from btfer_builder.config import CropRecipe, changes, outcome_settings, override
from btfer_builder.config.refuse_loss import refuse_loss
from btfer_builder.crop.cropping import crop_images
from btfer_builder.crop.leaving_faces import leaving_faces
from btfer_builder.crop.sweep import sweep_faces
from btfer_builder.errors import BtferError
from btfer_builder.io.json import json_text
from btfer_builder.io.terminal import bar, echo_stderr
from btfer_builder.parallel import Crashed, Runner
from btfer_builder.records import CropResult
from btfer_builder.workspace import Workspace

#: What `--paper` means: the authors' own extractor, 10 photo pixels a side, stretched, one face a photo.
PAPER = {
    "margin": 10, "margin_unit": "source", "fit": "stretch", "faces": "largest", "align": False, "blur_others": False,
}  # fmt: skip

#: An image takes a good part of a second, so little is worked on again after an interruption.
SHARD_SIZE = 4


def paper_recipe(recipe: CropRecipe) -> CropRecipe:
    """Return the recipe with the authors' settings."""
    return override(recipe, **PAPER)


def crop(workspace: Workspace, recipe: CropRecipe, *, recrop: bool = False) -> None:
    """Cut the faces out of every image that dedupe and reviewers kept (§2, stage 3).

    Images cropped with other settings before are cropped again. Faces then get other ids; decisions on the old
    ones stay on record and count again when the old settings come back.

    Parameters
    ----------
    workspace, recipe
        Where and how.
    recrop
        Crop again even if faces that are reviewed or sampled leave by it.

    Raises
    ------
    BtferError
        If the margin leaves no room for a face, or reviewed or sampled faces would leave.
    """
    if recipe.margin_unit == "output" and 2 * recipe.margin >= recipe.size:
        raise BtferError(
            f"crop.margin: {recipe.margin} pixels a side leave nothing of {recipe.size} for the face; "
            f"give a margin below {recipe.size // 2}"
        )
    catalog = workspace.catalog
    with workspace.stage("crop"), catalog.run("crop", recipe) as counts:
        before = [path for _, _, path in face_paths(catalog)]
        stored = stored_settings(catalog)
        others = [settings for settings in stored if changes(json.loads(settings), recipe)]
        todo = uncropped_images(catalog, [one for one in stored if one not in others], workspace.files)
        if todo:
            workspace.check_images()
        if others:
            if not recrop:
                _check_losses(workspace, recipe, others)
            again = cropped_with(catalog, others)
            echo_stderr(f"crop: {again} images were cropped with other settings and are cropped again")
        settings = json_text(outcome_settings(recipe), sort_keys=True)
        runner: Runner[tuple[str, str], CropResult] = Runner(
            recipe.workers, SHARD_SIZE, recipe.scheduler, workspace.files
        )
        with bar(len(todo), "crop", "images") as progress:
            for shard in runner.map(partial(crop_images, root=workspace.files, recipe=recipe), todo):
                results = [_result(item, result) for item, result in shard]
                add_crops(catalog, results, settings)
                progress.update(len(results))
                counts["images"] = counts.get("images", 0) + len(results)
        sweep_faces(workspace, before)
        write_manifests(catalog, workspace.manifests, "images", "faces")


def _check_losses(workspace: Workspace, recipe: CropRecipe, others: Sequence[str]) -> None:
    """Refuse settings that make reviewed or sampled faces leave; `others` are the settings of before."""
    catalog = workspace.catalog
    faces = faces_cropped_with(catalog, others)
    leaving = leaving_faces(faces, recipe)
    reviewed, sampled = count_work_on_faces(catalog, leaving)
    before = Counter(row["settings"] for row in faces if row["face_id"] in leaving).most_common(1)
    refuse_loss(
        "crop",
        changes(json.loads(before[0][0]), recipe) if before else (),
        lost="faces",
        reviewed=reviewed,
        sampled=sampled,
        go_on="btfer crop --recrop",
    )


def _result(item: tuple[str, str], result: CropResult | Crashed) -> CropResult:
    if isinstance(result, Crashed):
        return CropResult(item[0], "crashed_decoder", "the worker died on this file")
    return result
