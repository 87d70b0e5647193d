"""Delete the files that are no longer needed once a set is drawn or released; the catalog keeps their rows."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from btfer_builder.catalog.intentions import fulfil, record
from btfer_builder.catalog.manifests import write_manifests
from btfer_builder.catalog.purge import FileRow, files_to_purge, purged_paths, record_purged
from btfer_builder.catalog.release import released_anywhere
from btfer_builder.catalog.sample import reserved_faces, sampled_faces
from btfer_builder.crop.repair import repair_faces
from btfer_builder.dedupe.face_stage import hash_new_faces
from btfer_builder.dedupe.stage import hash_new_images
from btfer_builder.errors import BtferError
from btfer_builder.io.storage import File, sizes_below
from btfer_builder.io.text import counted
from btfer_builder.next_step import no_sample
from btfer_builder.reconcile import AREAS, CACHE, STAGES, reconcile
from btfer_builder.sample.cached_faces import delete_cached_faces
from btfer_builder.workspace import Workspace

#: What is kept: the faces of all releases; or those of the sample and its reserve, too.
Keep = Literal["release", "sample"]


@dataclass(frozen=True, slots=True)
class FileCount:
    """A number of files, and their bytes together."""

    files: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Purge:
    """What was deleted, or with `dry_run` would be.

    Attributes
    ----------
    deleted
        Files by kind: `photos`, `faces`, `thumbnails`, `cached` (resized faces of the sample).
    faces
        Number of these faces by their state: `rejected`, `dropped` (as copies, or with their photo), `accepted` (and
        not drawn), `unreviewed`.
    kept
        The face crops that are kept.
    """

    keep: Keep
    dry_run: bool
    deleted: dict[str, FileCount] = field(default_factory=dict)
    faces: dict[str, int] = field(default_factory=dict)
    kept: FileCount = FileCount()

    @property
    def total(self) -> FileCount:
        """All files that are deleted."""
        return _sum(self.deleted.values())

    def to_dict(self) -> dict[str, Any]:
        """Return the form of `btfer purge --json`."""
        return asdict(self)


def purge(workspace: Workspace, keep: Keep, *, dry_run: bool = True) -> Purge:
    """Delete the original photos, the faces that are not kept, and all thumbnails.

    The catalog keeps hashes, provenance, boxes and decisions, so that nothing is downloaded or cropped again and a
    takedown still finds everybody. If it is interrupted, the next command completes it.

    Parameters
    ----------
    workspace
        The workspace.
    keep
        `release` keeps the faces of its releases, `sample` also those of the sample and its reserve.
    dry_run
        Return what would be deleted and change nothing.

    Raises
    ------
    BtferError
        If there is nothing to keep, a file that is kept is missing or damaged, another command is running, or a file
        cannot be deleted.
    """
    catalog = workspace.catalog
    with ExitStack() as locks:
        for stage in STAGES:
            locks.enter_context(workspace.stage(stage))
        kept = _kept_faces(workspace, keep)
        workspace.check_images()  # of a share that is not mounted, nothing would be deleted
        if not dry_run:
            reconcile(workspace, *STAGES)
            _check_kept(workspace, kept)
            hash_new_images(
                workspace, workspace.recipe.dedupe
            )  # what it looks like cannot be told afterwards
            hash_new_faces(workspace, workspace.recipe.dedupe.workers, workspace.recipe.dedupe.scheduler)
        sizes = {
            path: size for area in AREAS for path, size in sizes_below(workspace.files, area.folder).items()
        }
        files = files_to_purge(catalog, kept)
        result = _count(keep, files, sizes, dry_run)
        if dry_run:
            return result
        with catalog.run("purge", {"keep": keep}) as counts:
            with catalog.transaction() as db:
                record_purged(db, ((file, sizes.get(file.path, 0)) for file in files), keep)
                for area in AREAS:
                    record(db, area.stage, area.folder)
            _delete([workspace.files / path for path in purged_paths(catalog) if path in sizes])
            _delete([workspace.root / path for path in sizes if path.startswith("data/thumbs/")])
            delete_cached_faces(workspace)
            with catalog.transaction() as db:
                fulfil(db, *(area.folder for area in AREAS))
            write_manifests(catalog, workspace.manifests, "images", "faces")
            counts |= {kind: count.files for kind, count in result.deleted.items()}
            counts |= {"bytes": result.total.bytes}
    return result


def _kept_faces(workspace: Workspace, keep: Keep) -> set[str]:
    catalog = workspace.catalog
    released, sampled = released_anywhere(catalog), {row["face_id"] for row in sampled_faces(catalog)}
    if not sampled:
        raise no_sample(workspace, "to keep", "; nothing was deleted")
    if keep == "release":
        if not released:
            raise BtferError(
                f"{workspace.root} has no release to keep: btfer release, or --keep sample. Nothing was deleted"
            )
        if new := sampled - released:
            raise BtferError(
                f"{counted(len(new), 'face')} of the sample in no release, such as {min(new)}: btfer release, or "
                "--keep sample. Nothing was deleted"
            )
        return released
    return released | sampled | {face_id for face_id, _ in reserved_faces(catalog)}


def _check_kept(workspace: Workspace, kept: Collection[str]) -> None:
    """Make damaged crops again while their photos are there, and compare the sample with the hashes of its draw."""
    if lost := repair_faces(workspace, kept):
        raise BtferError(
            f"{counted(len(lost), 'face')} to keep missing or damaged, and cannot be made again, such as "
            f"{min(lost)}. Nothing was deleted"
        )
    for row in sampled_faces(workspace.catalog):
        path = workspace.root / row["path"]
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != row["sha256"]:
            raise BtferError(
                f"{path} is missing or was changed; draw it again with: btfer sample. Nothing was deleted"
            )


def _count(keep: Keep, files: Collection[FileRow], sizes: dict[str, int], dry_run: bool) -> Purge:
    def count(paths: Iterable[str]) -> FileCount:
        return _sum(FileCount(1, sizes[path]) for path in paths if path in sizes)

    going = {file.path for file in files}
    return Purge(
        keep,
        dry_run,
        {
            "photos": count(file.path for file in files if file.kind == "image"),
            "faces": count(file.path for file in files if file.kind == "face"),
            "thumbnails": count(path for path in sizes if path.startswith("data/thumbs/")),
            "cached": count(path for path in sizes if path.startswith(f"{CACHE}/")),
        },
        dict(sorted(Counter(file.fate for file in files if file.kind == "face").items())),
        count(path for path in sizes if path.startswith("data/faces/") and path not in going),
    )


def _sum(counts: Iterable[FileCount]) -> FileCount:
    counts = list(counts)
    return FileCount(sum(count.files for count in counts), sum(count.bytes for count in counts))


def _delete(files: Iterable[File]) -> None:
    try:
        for file in files:
            file.unlink(missing_ok=True)
    except OSError as error:
        raise BtferError(
            f"{error.filename}: cannot be deleted: {error.strerror}; make it writable and run the command again"
        ) from None
