"""The dedupe stage for photos: hash new images, then group all images."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.dedupe import (
    HashedImage,
    add_hashes,
    add_likenesses,
    add_pixel_hashes,
    hashed_images,
    image_paths,
    likenesses,
    replace_dedupes,
    unhashed_images,
)
from btfer_builder.catalog.fingerprints import taken_down_fingerprints
from btfer_builder.catalog.manifests import write_manifests
from btfer_builder.catalog.purge import purged_ids
from btfer_builder.catalog.reviewed_work import (
    count_work_on_images,
    images_with_work,
    kept_images,
    last_settings,
    last_version,
)
from btfer_builder.catalog.tombstones import taken_down_images
from btfer_builder.config import DedupeRecipe, changes
from btfer_builder.config.refuse_loss import refuse_loss
from btfer_builder.dedupe.erase import erase_taken_down
from btfer_builder.dedupe.grouping import describe_groups, group_duplicates, unproven_copies
from btfer_builder.dedupe.match_tombstones import hold_for_review, mark_taken_down
from btfer_builder.images.hashing import compare_photos, hash_images, hash_images_exactly, hash_pixels
from btfer_builder.io.terminal import bar, echo_stderr
from btfer_builder.next_step import require_items
from btfer_builder.parallel import Crashed, Runner
from btfer_builder.reconcile import reconcile
from btfer_builder.records import DedupeResult, ImageHash, ImagePair
from btfer_builder.workspace import Workspace

#: The settings that decide which images are kept; the others concern faces.
_SHAPING = ("radius", "mirrored", "exact_hash", "max_pixels")

#: Versions that found other copies with the same settings.
_OTHER_RULES = {"0.1.0"}


def dedupe(workspace: Workspace, recipe: DedupeRecipe, *, regroup: bool = False) -> None:
    """Hash every image that has no hash yet and decide which images are kept (§2, stage 2).

    Every finished shard is committed, so an interrupted run continues where it stopped.

    Parameters
    ----------
    workspace, recipe
        The workspace and the settings.
    regroup
        Go on even if reviewed or sampled images are dropped.

    Raises
    ------
    BtferError
        If there are no images, or changed settings, or the first grouping after 0.1.0, would drop reviewed or
        sampled images, or these repeat each other.
    TakenDownInUse
        If reviewed, sampled or released images show a picture that was taken down.
    """
    require_items(workspace, "dedupe")
    catalog = workspace.catalog
    with workspace.stage("dedupe"), catalog.run("dedupe", recipe) as counts:
        reconcile(workspace, "dedupe")
        hash_new_images(workspace, recipe)
        hashed = _prove_copies(workspace, recipe, hashed_images(catalog))
        images = [_limited(image, recipe.max_pixels) for image in hashed]
        images, held = mark_taken_down(
            images, taken_down_fingerprints(catalog), recipe.radius, recipe.mirrored
        )
        tombstones = taken_down_images(catalog)  # also of a catalog that was restored from a backup
        if shown := [i.image_id for i in images if i.reason == "taken_down" or i.image_id in tombstones]:
            erase_taken_down(workspace, shown)
            echo_stderr(f"photos of a picture that was taken down, deleted: {len(shown)}")
            images = [image for image in images if image.image_id not in set(shown)]
        measure = partial(_measure, workspace, recipe)
        reviewed = kept_images(catalog) & images_with_work(catalog)
        known = likenesses(catalog)
        grouped = group_duplicates(images, recipe.radius, recipe.mirrored, measure, reviewed, known)
        results = hold_for_review(grouped, held)
        groups = describe_groups("image", images, results)
        if not regroup:
            _check_losses(catalog, recipe, reviewed, results)
        replace_dedupes(catalog, results, groups)
        if held:
            echo_stderr(
                f"photos similar to one that was taken down, kept out of the sample until reviewed: {len(held)}"
            )
        write_manifests(catalog, workspace.manifests, "images", "duplicates")
        if (workspace.manifests / "faces.csv").exists():  # faces go on with their photos
            write_manifests(catalog, workspace.manifests, "faces")
        counts |= {"images": len(results), "kept": sum(result.state == "kept" for result in results)}
        counts |= {"groups": len(groups), "diameter": max((group.diameter for group in groups), default=0)}


def _check_losses(
    catalog: Catalog, recipe: DedupeRecipe, reviewed: set[str], results: Sequence[DedupeResult]
) -> None:
    """Refuse changed settings that drop reviewed images, and to drop reviewed images as copies of each other."""
    dropped = {result.image_id: result for result in results if result.state == "dropped"}
    lost = reviewed & dropped.keys()
    changed = changes(last_settings(catalog, "dedupe"), recipe, _SHAPING)
    earlier = last_version(catalog, "dedupe")
    older = earlier if earlier in _OTHER_RULES else ""
    if (
        not changed and not older
    ):  # a tombstone or a file that is gone drops an image without further questions
        lost = {image_id for image_id in lost if dropped[image_id].duplicate_of}
    decided, sampled = count_work_on_images(catalog, lost)
    refuse_loss(
        "dedupe",
        changed,
        lost="images",
        reviewed=decided,
        sampled=sampled,
        older=older,
        because="they repeat other reviewed images",
        go_on="btfer dedupe --regroup",
    )


def hash_new_images(workspace: Workspace, recipe: DedupeRecipe) -> None:
    """Hash every image that has no hash yet and commit each shard."""
    todo = unhashed_images(workspace.catalog, recipe.exact_hash)
    if todo:
        workspace.check_images()
    runner: Runner[tuple[str, str], ImageHash] = Runner(
        recipe.workers, scheduler=recipe.scheduler, root=workspace.files
    )
    hash_shard = partial(
        hash_images_exactly if recipe.exact_hash else hash_images,
        root=workspace.files,
        max_pixels=recipe.max_pixels,
    )
    with bar(len(todo), "dedupe", "images") as progress:
        for shard in runner.map(hash_shard, todo):
            add_hashes(workspace.catalog, (_result(item, result) for item, result in shard))
            progress.update(len(shard))


def _prove_copies(workspace: Workspace, recipe: DedupeRecipe, images: list[HashedImage]) -> list[HashedImage]:
    """Decode the JPEGs that may have the pixels of another file at full scale, and commit their pixel hashes.

    Returns the images with these hashes.
    """
    catalog = workspace.catalog
    unproven = set(unproven_copies(images)) - purged_ids(catalog, "image")
    todo = image_paths(catalog, unproven)
    runner: Runner[tuple[str, str], str] = Runner(
        recipe.workers, scheduler=recipe.scheduler, root=workspace.files
    )
    shards = runner.map(partial(hash_pixels, root=workspace.files, max_pixels=recipe.max_pixels), todo)
    digests: dict[str, str] = {}
    with bar(len(todo), "compare", "images") as progress:
        for shard in shards:
            proven = [(item[0], digest) for item, digest in shard if not isinstance(digest, Crashed)]
            add_pixel_hashes(catalog, proven)
            digests |= dict(proven)
            progress.update(len(shard))
    return [
        replace(image, pixel_sha256=digests[image.image_id]) if image.image_id in digests else image
        for image in images
    ]


def _measure(
    workspace: Workspace, recipe: DedupeRecipe, pairs: Sequence[ImagePair]
) -> dict[ImagePair, float]:
    """Compare pairs of photos, commit their similarities, and return them."""
    catalog = workspace.catalog
    measured: dict[ImagePair, float] = {}
    wanted = {name for pair in pairs for name in (pair.image_id, pair.item_id)}
    paths = dict(image_paths(catalog, wanted))
    todo = {(paths[pair.image_id], paths[pair.item_id], pair.mirrored): pair for pair in pairs}
    runner: Runner[tuple[str, str, bool], float | None] = Runner(
        recipe.workers, 64, recipe.scheduler, workspace.files
    )
    shards = runner.map(
        partial(compare_photos, root=workspace.files, max_pixels=recipe.max_pixels), list(todo)
    )
    with bar(len(todo), "compare", "pairs") as progress:
        for shard in shards:
            results = [
                (todo[item], likeness)
                for item, likeness in shard
                if likeness is not None and not isinstance(likeness, Crashed)
            ]
            add_likenesses(catalog, results)
            measured |= dict(results)
            progress.update(len(shard))
    return measured


def _limited(image: HashedImage, max_pixels: int) -> HashedImage:
    """Drop an image above the current limit that was hashed under a higher one."""
    if image.reason is None and image.width * image.height > max_pixels:
        return replace(image, reason="too_large")
    return image


def _result(item: tuple[str, str], result: ImageHash | Crashed) -> ImageHash:
    if isinstance(result, Crashed):
        return ImageHash(item[0], reason="crashed_decoder", detail="the worker died on this file")
    return result
