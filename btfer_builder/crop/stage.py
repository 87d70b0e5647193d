"""The crop stage: every image that goes on and was not cropped with these settings yet."""

from functools import partial

import msgspec

from btfer_builder.catalog.crop import add_crops, cropped_otherwise, uncropped_images
from btfer_builder.catalog.manifests import write_manifests
from btfer_builder.crop.cropping import crop_images
from btfer_builder.crop.sweep import sweep_faces
from btfer_builder.errors import BtferError
from btfer_builder.files import json_text
from btfer_builder.parallel import Crashed, Runner
from btfer_builder.progress import bar, say
from btfer_builder.recipe import CropRecipe, override
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


def crop(workspace: Workspace, recipe: CropRecipe) -> None:
    """Cut the faces out of every image that dedupe and reviewers kept (§2, stage 3).

    Images cropped with other settings before are cropped again. Faces then get other ids; decisions on the old
    ones stay on record and count again when the old settings come back.

    Raises
    ------
    BtferError
        If the margin leaves no room for a face.
    """
    if recipe.margin_unit == "output" and 2 * recipe.margin >= recipe.size:
        raise BtferError(
            f"crop.margin: {recipe.margin} pixels a side leave nothing of {recipe.size} for the face; "
            f"give a margin below {recipe.size // 2}"
        )
    # Settings that don't change the outcome of an image don't make it be cropped again.
    settings = json_text(msgspec.to_builtins(recipe) | {"workers": None, "scheduler": None}, sort_keys=True)
    catalog = workspace.catalog
    with workspace.stage("crop"), catalog.run("crop", recipe) as counts:
        if again := cropped_otherwise(catalog, settings):
            say(f"crop: {again} images were cropped with other settings and are cropped again")
        todo = uncropped_images(catalog, settings, workspace.files)
        if todo:
            workspace.check_images()
        runner: Runner[tuple[str, str], CropResult] = Runner(
            recipe.workers, SHARD_SIZE, recipe.scheduler, workspace.files
        )
        with bar(len(todo), "crop", "images") as progress:
            for shard in runner.map(partial(crop_images, root=workspace.files, recipe=recipe), todo):
                results = [_result(item, result) for item, result in shard]
                add_crops(catalog, results, settings)
                progress.update(len(results))
                counts["images"] = counts.get("images", 0) + len(results)
        sweep_faces(workspace)
        write_manifests(catalog, workspace.manifests, "images", "faces")


def _result(item: tuple[str, str], result: CropResult | Crashed) -> CropResult:
    if isinstance(result, Crashed):
        return CropResult(item[0], "crashed_decoder", "the worker died on this file")
    return result
