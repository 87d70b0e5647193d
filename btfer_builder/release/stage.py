"""The release stage: write the files, audit them, put the folder in place and record the version."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from btfer_builder.catalog.release import add_release
from btfer_builder.config import ReleaseRecipe
from btfer_builder.errors import BtferError
from btfer_builder.io.atomic import build_folder, file_digest
from btfer_builder.io.text import counted
from btfer_builder.reconcile import writing
from btfer_builder.release import schema
from btfer_builder.release.audit import audit_release
from btfer_builder.release.released_faces import ReleasedFace, members, released_faces
from btfer_builder.release.statistics import ReleaseStatistics, compute_statistics
from btfer_builder.release.writers.attribution import write_attribution
from btfer_builder.release.writers.card import write_texts
from btfer_builder.release.writers.croissant import write_croissant
from btfer_builder.release.writers.figures import write_contact_sheet, write_groups
from btfer_builder.release.writers.tables import write_jsonl, write_parquet, write_shards
from btfer_builder.workspace import Workspace, absolute

#: Time of every file: 1980-01-01, the earliest time in a zip file, so that archives are repeatable.
_TIME = 315_532_800


@dataclass(frozen=True, slots=True)
class ReleaseResult:
    """The folder of a release and its statistics."""

    path: Path
    statistics: ReleaseStatistics

    def __repr__(self) -> str:
        version, total = self.statistics.version, self.statistics.total
        return f"<ReleaseResult {str(self.path)!r}: version {version} with {counted(total, 'face')}>"

    def to_dict(self) -> dict[str, Any]:
        """Return the form of `btfer release --json`."""
        return {"path": str(self.path), **self.statistics.to_dict()}


def release(workspace: Workspace, out: Path, recipe: ReleaseRecipe) -> ReleaseResult:
    """Write the sample to a folder that others can use, cite and check.

    The same catalog gives the same bytes on every machine. The folder is written whole or not at all.

    Parameters
    ----------
    workspace
        The workspace with the sample.
    out
        The folder to write; it must not exist.
    recipe
        The settings of the release.

    Raises
    ------
    BtferError
        If the folder exists or cannot be written, or the sample may not be released; see `released_faces`.
    """
    out = absolute(out)  # one name for one folder: a takedown looks for it
    catalog = workspace.catalog
    with workspace.stage("release"), catalog.run("release", recipe) as counts:
        if out.exists() or out.is_symlink():
            raise BtferError(f"{out} exists already; name another folder, or remove it first")
        with writing(workspace, "release", str(out), whole=True), build_folder(out) as building:
            stats, faces = write_release_files(workspace, building, recipe)
            # Before the folder has its name: a takedown could not find a release that nobody has recorded.
            record_release(workspace, out, stats, faces)
        counts |= {"version": stats.version, "content_hash": stats.content_hash, "faces": stats.total}
    return ReleaseResult(out, stats)


def write_release_files(
    workspace: Workspace, folder: Path, recipe: ReleaseRecipe
) -> tuple[ReleaseStatistics, list[ReleasedFace]]:
    """Write all files of a release into an empty folder, and audit them for leaked metadata."""
    faces = released_faces(workspace, recipe)
    stats = compute_statistics(workspace.catalog, faces, recipe)
    figures = folder / "figures"
    figures.mkdir()
    write_groups(figures / "groups.png", faces)
    if recipe.urls_only:
        write_jsonl(folder / schema.SOURCES, schema.rows(faces, schema.SOURCES))
    else:
        _write_images(folder, faces)
        write_contact_sheet(figures / "contact_sheet.png", faces)
        write_parquet(folder / schema.PARQUET, faces)
        if recipe.webdataset:
            write_shards(folder / "shards", faces)
    write_attribution(folder, faces)
    write_texts(folder, stats)
    write_croissant(folder, stats, faces)
    if not stats.redistributable:
        note = (
            "Not for redistribution: this folder contains images without a known licence. See LICENSES.csv.\n"
        )
        (folder / "NOT-FOR-REDISTRIBUTION.txt").write_text(note, encoding="utf-8")
    write_checksums(folder)
    if findings := audit_release(folder).findings:
        first = findings[0]
        raise BtferError(
            f"the audit of the release failed: {first.file}: {first.what} (and {len(findings) - 1} more); "
            "crop and sample again"
        )
    _set_times_and_modes(folder)
    return stats, faces


def record_release(
    workspace: Workspace, out: Path, stats: ReleaseStatistics, faces: list[ReleasedFace]
) -> None:
    """Record a release in the catalog."""
    settings = msgspec.to_builtins(stats.recipe)
    add_release(
        workspace.catalog, stats.version, stats.content_hash, members(faces), path=str(out), recipe=settings
    )


def write_checksums(folder: Path) -> None:
    """Write the checksums of all other files to SHA256SUMS, in the format of sha256sum."""
    lines = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        lines.append(f"{file_digest(path)}  {path.relative_to(folder).as_posix()}\n")
    (folder / "SHA256SUMS").write_text("".join(sorted(lines, key=lambda line: line[66:])), encoding="utf-8")


def _write_images(folder: Path, faces: list[ReleasedFace]) -> None:
    for split in sorted({face.split for face in faces}):
        own = [face for face in faces if face.split == split]
        for emotion in sorted({face.emotion for face in own}):
            (folder / split / emotion).mkdir(parents=True)
        for face in own:
            shutil.copyfile(face.path, folder / split / face.file_name)
        write_jsonl(folder / split / schema.METADATA, schema.rows(own, schema.METADATA))


def _set_times_and_modes(folder: Path) -> None:
    """Give all files and folders the same time and the usual permissions."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (_TIME, _TIME))
