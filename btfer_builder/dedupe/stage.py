"""The dedupe stage: hash what is new, then group everything anew."""

from functools import partial

from btfer_builder.catalog.dedupe import add_hashes, hashed_images, replace_dedupes, unhashed_images
from btfer_builder.catalog.manifests import write_manifests
from btfer_builder.dedupe.grouping import group_duplicates
from btfer_builder.dedupe.hashing import hash_images
from btfer_builder.progress import bar
from btfer_builder.recipe import DedupeRecipe
from btfer_builder.records import ImageHash
from btfer_builder.runner import Crashed, Runner
from btfer_builder.workspace import Workspace


def dedupe(workspace: Workspace, recipe: DedupeRecipe) -> None:
    """Hash every image that has no hash yet and decide for all which are kept (§2, stage 2).

    Every finished shard is committed: an interrupted run goes on where it was.
    """
    catalog = workspace.catalog
    with workspace.stage("dedupe"), catalog.run("dedupe", recipe) as counts:
        todo = unhashed_images(catalog)
        runner: Runner[tuple[str, str], ImageHash] = Runner(recipe.workers)
        hash_shard = partial(hash_images, root=workspace.root, max_pixels=recipe.max_pixels)
        with bar(len(todo), "dedupe", "images") as progress:
            for shard in runner.map(hash_shard, todo):
                add_hashes(catalog, (_result(item, result) for item, result in shard))
                progress.update(len(shard))
        results = group_duplicates(hashed_images(catalog), recipe.radius, recipe.mirrored)
        replace_dedupes(catalog, results)
        write_manifests(catalog, workspace.manifests, "images", "duplicates")
        counts |= {"images": len(results), "kept": sum(result.state == "kept" for result in results)}


def _result(item: tuple[str, str], result: ImageHash | Crashed) -> ImageHash:
    if isinstance(result, Crashed):
        return ImageHash(item[0], reason="crashed_decoder", detail="the worker died on this file")
    return result
