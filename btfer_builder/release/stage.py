"""The release stage: build the folder aside, prove it clean, rename it, and record the version."""

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
from btfer_builder.release import schema
from btfer_builder.release.audit import scan
from btfer_builder.release.released_faces import ReleasedFace, members, released_faces
from btfer_builder.release.statistics import ReleaseStatistics, compute_statistics
from btfer_builder.release.writers.attribution import write_attribution
from btfer_builder.release.writers.card import write_texts
from btfer_builder.release.writers.croissant import write_croissant
from btfer_builder.release.writers.figures import write_contact_sheet, write_groups
from btfer_builder.release.writers.tables import write_jsonl, write_parquet, write_shards
from btfer_builder.workspace import Workspace

#: Time of every file: 1980-01-01, the earliest a zip file can hold. An archive of a release is then repeatable, too.
_TIME = 315_532_800


@dataclass(frozen=True, slots=True)
class ReleaseResult:
    """What was released, and where."""

    path: Path
    facts: ReleaseStatistics

    def to_dict(self) -> dict[str, Any]:
        """Return the form of `btfer release --json`."""
        return {"path": str(self.path), **self.facts.to_dict()}


def release(workspace: Workspace, out: Path, recipe: ReleaseRecipe) -> ReleaseResult:
    """Write the sample to a folder that others can use, cite and check.

    Two machines with the same catalog write the same bytes. The folder appears whole or not at all.

    Parameters
    ----------
    workspace
        Whose sample.
    out
        The folder; it must not exist.
    recipe
        What goes into it.

    Raises
    ------
    BtferError
        If the folder exists or cannot be written, or `released_faces` finds something wrong.
    """
    out = out.absolute()
    catalog = workspace.catalog
    with workspace.stage("release"), catalog.run("release", recipe) as counts:
        if out.exists() or out.is_symlink():
            raise BtferError(f"{out} exists already; name another folder, or remove it first")
        with build_folder(out) as building:
            facts, faces = write_release_files(workspace, building, recipe)
        record_release(workspace, out, facts, faces)
        counts |= {"version": facts.version, "content_hash": facts.content_hash, "faces": facts.total}
    return ReleaseResult(out, facts)


def write_release_files(
    workspace: Workspace, folder: Path, recipe: ReleaseRecipe
) -> tuple[ReleaseStatistics, list[ReleasedFace]]:
    """Write everything a release is made of into an empty folder, and prove that it says no more than it should."""
    faces = released_faces(workspace, recipe)
    facts = compute_statistics(workspace.catalog, faces, recipe)
    figures = folder / "figures"
    figures.mkdir()
    write_groups(figures / "groups.png", faces)
    if recipe.urls_only:
        write_jsonl(folder / schema.SOURCES, schema.rows(faces, schema.SOURCES))
    else:
        _write_pictures(folder, faces)
        write_contact_sheet(figures / "contact_sheet.png", faces)
        write_parquet(folder / schema.PARQUET, faces)
        if recipe.webdataset:
            write_shards(folder / "shards", faces)
    write_attribution(folder, faces)
    write_texts(folder, facts)
    write_croissant(folder, facts, faces)
    if not facts.redistributable:
        note = (
            "Not for redistribution: pictures without a known licence are in this folder. See LICENSES.csv.\n"
        )
        (folder / "NOT-FOR-REDISTRIBUTION.txt").write_text(note, encoding="utf-8")
    write_checksums(folder)
    if findings := scan(folder).findings:
        first = findings[0]
        raise BtferError(
            f"the release would say more than it should: {first.file}: {first.what} (and {len(findings) - 1} more); "
            "crop and sample again"
        )
    _settle(folder)
    return facts, faces


def record_release(
    workspace: Workspace, out: Path, facts: ReleaseStatistics, faces: list[ReleasedFace]
) -> None:
    """Put a written release on record."""
    settings = msgspec.to_builtins(facts.recipe)
    add_release(
        workspace.catalog, facts.version, facts.content_hash, members(faces), path=str(out), recipe=settings
    )


def write_checksums(folder: Path) -> None:
    """Write SHA256SUMS over all other files, in the form of sha256sum."""
    lines = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        lines.append(f"{file_digest(path)}  {path.relative_to(folder).as_posix()}\n")
    (folder / "SHA256SUMS").write_text("".join(sorted(lines, key=lambda line: line[66:])), encoding="utf-8")


def _write_pictures(folder: Path, faces: list[ReleasedFace]) -> None:
    for split in sorted({face.split for face in faces}):
        own = [face for face in faces if face.split == split]
        for emotion in sorted({face.emotion for face in own}):
            (folder / split / emotion).mkdir(parents=True)
        for face in own:
            shutil.copyfile(face.path, folder / split / face.file_name)
        write_jsonl(folder / split / schema.METADATA, schema.rows(own, schema.METADATA))


def _settle(folder: Path) -> None:
    """Give all files and folders the same time and the rights anybody expects."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (_TIME, _TIME))
