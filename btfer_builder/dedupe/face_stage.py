"""The dedupe stage for face crops (`btfer dedupe --faces`): hash new faces, compare candidates and group all faces."""

from collections.abc import Sequence
from functools import partial

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.dedupe_faces import (
    HashedFace,
    add_face_hashes,
    hashed_faces,
    replace_face_dedupes,
    unhashed_faces,
)
from btfer_builder.catalog.manifests import write_manifests
from btfer_builder.catalog.reviewed_work import (
    count_work_on_faces,
    faces_with_work,
    kept_faces,
    last_settings,
)
from btfer_builder.config import DedupeRecipe, changes
from btfer_builder.config.refuse_loss import refuse_loss
from btfer_builder.dedupe.face_grouping import FacePair, candidate_pairs, compare_faces, group_faces
from btfer_builder.dedupe.grouping import best_first, describe_groups
from btfer_builder.images.alignment import Overlay
from btfer_builder.images.face_hashing import hash_faces
from btfer_builder.io.terminal import bar
from btfer_builder.next_step import require_items
from btfer_builder.parallel import Crashed, Runner
from btfer_builder.reconcile import reconcile
from btfer_builder.records import DedupeResult, FaceDedupe, FaceHash
from btfer_builder.workspace import Workspace

#: The settings that decide which faces are kept.
_SHAPING = ("face_radius", "face_difference", "mirrored")


def dedupe_faces(workspace: Workspace, recipe: DedupeRecipe, *, regroup: bool = False) -> None:
    """Drop the face crops that show the same picture as another one (§2, stage 3).

    Photos that differ as a whole may show the same picture of a face: cropped, in a collage, in an advertisement.

    Parameters
    ----------
    workspace, recipe
        The workspace and the settings.
    regroup
        Go on even if reviewed or sampled faces are dropped.

    Raises
    ------
    BtferError
        If there are no faces, or reviewed or sampled faces repeat other reviewed faces.
    """
    require_items(workspace, "dedupe-faces")
    catalog = workspace.catalog
    with workspace.stage("dedupe"), catalog.run("dedupe-faces", recipe) as counts:
        reconcile(workspace, "dedupe")
        hash_new_faces(workspace, recipe.workers, recipe.scheduler)
        faces = hashed_faces(catalog)
        failed = [
            FaceDedupe(face.image_id, "dropped", face.reason) for face in faces if face.reason is not None
        ]
        # A face that reviewers rejected must not replace another one.
        rejected = [
            FaceDedupe(face.image_id, "kept") for face in faces if face.reason is None and face.rejected
        ]
        reviewed = kept_faces(catalog) & faces_with_work(catalog)
        ranked = best_first([face for face in faces if not face.rejected], reviewed)
        compared = _compare(workspace, recipe, ranked)
        results = group_faces(ranked, compared, recipe.face_radius, recipe.face_difference)
        as_images = [
            DedupeResult(r.face_id, r.state, r.reason, r.duplicate_of, r.kind, r.distance) for r in results
        ]
        groups = describe_groups("face", ranked, as_images)
        outcome = [*failed, *rejected, *results]
        if not regroup:
            _check_losses(catalog, recipe, reviewed, outcome)
        replace_face_dedupes(catalog, outcome, groups)
        write_manifests(catalog, workspace.manifests, "faces", "face_duplicates")
        counts |= {"faces": len(faces), "pairs": len(compared), "groups": len(groups)}


def _check_losses(
    catalog: Catalog, recipe: DedupeRecipe, reviewed: set[str], outcome: Sequence[FaceDedupe]
) -> None:
    """Refuse to drop reviewed or sampled faces as copies of each other, whatever the settings."""
    lost = reviewed & {face.face_id for face in outcome if face.duplicate_of}
    decided, sampled = count_work_on_faces(catalog, lost)
    refuse_loss(
        "dedupe",
        changes(last_settings(catalog, "dedupe-faces"), recipe, _SHAPING),
        lost="faces",
        reviewed=decided,
        sampled=sampled,
        because="they repeat other reviewed faces",
        go_on="btfer dedupe --faces --regroup",
    )


def hash_new_faces(workspace: Workspace, workers: int, scheduler: str) -> None:
    """Hash every kept face that has no hash yet and commit each shard."""
    todo = unhashed_faces(workspace.catalog)
    runner: Runner[tuple[str, str], FaceHash] = Runner(workers, scheduler=scheduler, root=workspace.files)
    with bar(len(todo), "hash", "faces") as progress:
        for shard in runner.map(partial(hash_faces, root=workspace.files), todo):
            add_face_hashes(workspace.catalog, (_result(item, result) for item, result in shard))
            progress.update(len(shard))


def _compare(
    workspace: Workspace, recipe: DedupeRecipe, faces: Sequence[HashedFace]
) -> dict[FacePair, Overlay]:
    pairs = candidate_pairs(faces, recipe.mirrored)
    items = {(faces[pair.first].path, faces[pair.second].path, pair.mirrored): pair for pair in pairs}
    runner: Runner[tuple[str, str, bool], Overlay | None] = Runner(
        recipe.workers, scheduler=recipe.scheduler, root=workspace.files
    )
    compared = {}
    with bar(len(pairs), "compare", "pairs") as progress:
        for shard in runner.map(partial(compare_faces, root=workspace.files), list(items)):
            for item, result in shard:
                if result is not None and not isinstance(result, Crashed):
                    compared[items[item]] = result
            progress.update(len(shard))
    return compared


def _result(item: tuple[str, str], result: FaceHash | Crashed) -> FaceHash:
    return FaceHash(item[0], reason="crashed_decoder") if isinstance(result, Crashed) else result
