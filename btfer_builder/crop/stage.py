"""The crop stage: crop the faces of every kept image that was not cropped with these settings yet."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.crop import (
    add_crops,
    count_padded,
    cropped_with,
    faces_beside,
    faces_cropped_with,
    images_cropped_with,
    numeric_face_ids,
    photo_sizes,
    stored_settings,
    uncropped_images,
)
from btfer_builder.catalog.manifests import write_manifests
from btfer_builder.catalog.reviewed_work import count_work_on_faces, faces_with_work
from btfer_builder.config import CropRecipe, changes, outcome_settings, override
from btfer_builder.config.refuse_loss import refuse_loss
from btfer_builder.crop.cropping import crop_images
from btfer_builder.crop.lost_faces import FoundBefore, found_before, lost_faces
from btfer_builder.errors import BtferError
from btfer_builder.io.device import onnx_device
from btfer_builder.io.json import json_text
from btfer_builder.io.storage import sizes_below
from btfer_builder.io.terminal import bar, echo_stderr
from btfer_builder.io.text import clause
from btfer_builder.next_step import require_items
from btfer_builder.parallel import Crashed, Runner
from btfer_builder.reconcile import reconcile, writing
from btfer_builder.records import CropResult
from btfer_builder.workspace import Workspace

#: The settings of `--paper`, those of the authors' extractor: 10 photo pixels a side, stretched, one face a photo.
PAPER = {
    "margin": 10, "margin_unit": "source", "fit": "stretch", "faces": "largest", "align": False, "blur_others": False,
    "second_search": False, "already_cropped": False, "search": "full",
}  # fmt: skip

#: Small, because an image takes up to a second: an interruption repeats little work.
SHARD_SIZE = 4


def paper_recipe(recipe: CropRecipe) -> CropRecipe:
    """Return the recipe with the settings of `--paper`."""
    return override(recipe, **PAPER)


def crop(workspace: Workspace, recipe: CropRecipe, *, recrop: bool = False) -> None:
    """Crop the faces of every image that dedupe and reviewers kept (§2, stage 3).

    Images that were cropped with other settings are cropped again. Their faces get new ids; decisions on the old ids
    are kept and count again if the old settings return.

    Parameters
    ----------
    workspace, recipe
        The workspace and the settings.
    recrop
        Apply changed settings even if reviewed or sampled faces are lost.

    Raises
    ------
    BtferError
        If no image has passed dedupe, the margin leaves no room for a face, or reviewed or sampled faces would be lost.
    """
    if recipe.margin_unit == "output" and 2 * recipe.margin >= recipe.size:
        raise BtferError(
            f"crop.margin: {recipe.margin} pixels a side leave nothing of {recipe.size} for the face; "
            f"give a margin below {recipe.size // 2}"
        )
    require_items(workspace, "crop")
    catalog = workspace.catalog
    if recipe.already_cropped:
        recipe = _own_size(catalog, recipe)
    with workspace.stage("crop"), catalog.run("crop", recipe) as counts:
        stored = stored_settings(catalog)
        others = [settings for settings in stored if changes(json.loads(settings), recipe)]
        if others and not recrop:
            _check_losses(workspace, recipe, others)
        todo = uncropped_images(
            catalog,
            [settings for settings in stored if settings not in others],
            sizes_below(workspace.files, "data/faces"),
        )
        if todo:
            workspace.check_images()
            if recipe.detector == "mtcnn" and not recipe.scheduler:
                counts["device"] = onnx_device(recipe.device)
                recipe = override(
                    recipe, device=counts["device"]
                )  # a missing card is named once, not by each worker
        with writing(workspace, "crop", "data/faces"):
            if others:
                again = cropped_with(catalog, others)
                echo_stderr(
                    f"crop: {clause(again, 'image', 'were')} cropped with other settings and are cropped again"
                )
            kept = _crop_all(workspace, recipe, stored, todo, counts, recrop=recrop)
            if todo:
                _report_padding(catalog, recipe)
            if others or kept:  # files of faces that are not in the catalog
                reconcile(workspace, "crop")
            write_manifests(catalog, workspace.manifests, "images", "faces")


def _crop_all(
    workspace: Workspace,
    recipe: CropRecipe,
    stored: Sequence[str],
    todo: Sequence[tuple[str, str]],
    counts: dict[str, Any],
    *,
    recrop: bool,
) -> bool:
    """Crop images and commit each shard; return whether some were cropped twice to keep reviewed faces."""
    catalog = workspace.catalog
    runner: Runner[tuple[str, str], CropResult] = Runner(
        recipe.workers, SHARD_SIZE, recipe.scheduler, workspace.files
    )
    twice = False
    with bar(len(todo), "crop", "images") as progress:
        known = numeric_face_ids(catalog)
        for items, used, settings in _as_before(catalog, stored, todo, recipe):
            function = partial(crop_images, root=workspace.files, recipe=used, known=known)
            reviewed = {} if recrop else _with_work(catalog, items, used)
            for shard in runner.map(function, items):
                results = [_result(item, result) for item, result in shard]
                kept = _keep_work(results, dict(item for item, _ in shard), reviewed, function)
                results = [kept.get(result.image_id, result) for result in results]
                twice = twice or bool(kept)
                add_crops(catalog, results, settings)
                progress.update(len(results))
                counts["images"] = counts.get("images", 0) + len(results)
    return twice


def _as_before(
    catalog: Catalog, stored: Sequence[str], todo: Sequence[tuple[str, str]], recipe: CropRecipe
) -> Iterator[tuple[list[tuple[str, str]], CropRecipe, str]]:
    """Yield images with the recipe and the settings to store.

    Images that were cropped before the search could be set are searched in full, so that their faces keep their boxes
    and ids.
    """
    settings = outcome_settings(recipe)
    before = [text for text in stored if "search" not in json.loads(text)]
    earlier = images_cropped_with(catalog, before) if todo and before else set()
    first = [item for item in todo if item[0] in earlier]
    if first:
        unset = {name: value for name, value in settings.items() if name != "search"}
        yield first, override(recipe, search="full"), json_text(unset, sort_keys=True)
    yield [item for item in todo if item[0] not in earlier], recipe, json_text(settings, sort_keys=True)


def _with_work(
    catalog: Catalog, items: Sequence[tuple[str, str]], recipe: CropRecipe
) -> dict[str, FoundBefore]:
    """Return the photos with reviewed or sampled faces that these settings keep, by image id."""
    worked = faces_with_work(catalog) if items else set()
    ids = {image_id for image_id, _ in items}
    return {
        image_id: replace(found, kept=found.kept & worked)
        for image_id, found in found_before(faces_beside(catalog, worked), recipe).items()
        if image_id in ids and found.kept & worked
    }


def _keep_work(
    results: Sequence[CropResult],
    paths: Mapping[str, str],
    reviewed: Mapping[str, FoundBefore],
    crop: Callable[..., list[CropResult]],
) -> dict[str, CropResult]:
    """Crop photos again in which another search lost a reviewed face, with the faces found before; by image id."""
    again = {
        result.image_id: reviewed[result.image_id].detections
        for result in results
        if result.image_id in reviewed
        and not reviewed[result.image_id].kept <= {face.face_id for face in result.faces if face.path}
        and result.reason != "crashed_decoder"  # it would end this process
    }
    cropped = crop([(image_id, paths[image_id]) for image_id in again], found=again) if again else []
    return {result.image_id: result for result in cropped}


def _own_size(catalog: Catalog, recipe: CropRecipe) -> CropRecipe:
    """Return the recipe with the size of the pictures, if all are squares of one size and no size is set."""
    sizes = photo_sizes(catalog)
    if recipe.size != CropRecipe().size or len(sizes) != 1 or sizes[0][0] != sizes[0][1]:
        if len(sizes) > 1 or (sizes and sizes[0] != (recipe.size, recipe.size)):
            echo_stderr(f"crop: the pictures are scaled to {recipe.size}×{recipe.size} pixels (size)")
        return recipe
    try:
        return override(recipe, size=sizes[0][0])
    except msgspec.ValidationError:  # larger than a crop may be
        return recipe


def _report_padding(catalog: Catalog, recipe: CropRecipe) -> None:
    """Ask whether the pictures are crops already if most crops reach over their border."""
    padded, faces = count_padded(catalog)
    if padded > faces / 2 and not recipe.already_cropped:
        echo_stderr(
            f"crop: {padded} of {faces} crops reach over the border: are these pictures already cropped? Then keep "
            "them as they are with --already-cropped, or limit what is repeated with --max-padding"
        )


def _check_losses(workspace: Workspace, recipe: CropRecipe, others: Sequence[str]) -> None:
    """Refuse settings by which reviewed or sampled faces are lost; `others` are the earlier settings."""
    catalog = workspace.catalog
    faces = faces_cropped_with(catalog, others)
    lost = lost_faces(faces, recipe)
    reviewed, sampled = count_work_on_faces(catalog, lost)
    before = Counter(row["settings"] for row in faces if row["face_id"] in lost).most_common(1)
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
