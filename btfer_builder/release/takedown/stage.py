"""Take a photo down: delete it everywhere, add tombstones, fill the sample, and write the releases again."""

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from btfer_builder.catalog.backup import back_up
from btfer_builder.catalog.erased_rows import about_to_erase
from btfer_builder.catalog.intentions import fulfil, intend
from btfer_builder.catalog.release import copies_of, copies_with, release_folders
from btfer_builder.catalog.sample import accepted_faces, sampled_faces
from btfer_builder.catalog.takedown import add_tombstones, erase, taken_down_faces
from btfer_builder.config import ReleaseRecipe
from btfer_builder.errors import BtferError
from btfer_builder.io.atomic import build_folder, restore_folder
from btfer_builder.labels import Emotion
from btfer_builder.reconcile import CACHE, STAGES, finish_erasure, reconcile
from btfer_builder.records import SampledFace
from btfer_builder.release.diff import release_info
from btfer_builder.release.stage import record_release, write_release_files
from btfer_builder.release.takedown.find_matches import TakedownMatches, find_matches
from btfer_builder.release.takedown.replacements import Replacement, drawn_with, find_replacements
from btfer_builder.sample.cached_faces import delete_cached_faces
from btfer_builder.sample.choose import ONLY_SPLIT
from btfer_builder.sample.folder import restore_sample, write_sample
from btfer_builder.workspace import Workspace, rewrite_manifests


@dataclass(frozen=True)
class Takedown:
    """What was taken down, or with `dry_run` would be.

    Attributes
    ----------
    releases
        (folder, version) of each release with one of the faces; after the takedown with its new version.
    gone_releases
        Folders of such releases that no longer exist.
    unrecorded
        Those of `releases` that the catalog did not know, such as copies below the workspace.
    """

    dry_run: bool
    matches: TakedownMatches
    replacements: list[Replacement]
    releases: list[tuple[str, int]] = field(default_factory=list)
    gone_releases: list[str] = field(default_factory=list)
    unrecorded: frozenset[str] = frozenset()

    @property
    def short(self) -> dict[Emotion, int]:
        """Number of faces that each class lacks."""
        missing = [face.emotion for face in self.replacements if face.by is None]
        return {emotion: missing.count(emotion) for emotion in sorted(set(missing))}

    def _releases(self, *, recorded: bool) -> list[dict[str, Any]]:
        return [
            {"path": path, "version": version}
            for path, version in self.releases
            if (path not in self.unrecorded) == recorded
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the form of `btfer takedown --json`."""
        return {
            "dry_run": self.dry_run,
            "images": [
                {"image_id": image_id, "why": reason} for image_id, reason in self.matches.reasons.items()
            ],
            "faces": self.matches.faces,
            "urls": self.matches.urls,
            "files": [str(path) for path in self.matches.files],
            "reports": [str(path) for path in self.matches.reports],
            "own_files": self.matches.own_files,
            "same_page": self.matches.same_page,
            "replaced": [
                {"face_id": face.face_id, "emotion": face.emotion, "split": face.split, "by": face.by}
                for face in self.replacements
            ],
            "short": self.short,
            "derived": [str(path) for path in self.matches.derived],
            "releases": self._releases(recorded=True),
            "unrecorded_releases": self._releases(recorded=False),
            "gone_releases": self.gone_releases,
        }


def take_down(
    workspace: Workspace, target: str, *, reason: str = "", dry_run: bool = False, alike: bool = True
) -> Takedown:
    """Remove a photo and everything made from it from the workspace and its releases.

    If it is interrupted, running it again completes it.

    Parameters
    ----------
    workspace
        The workspace.
    target
        A face id, an image id, an address, or an image file.
    reason
        The reason, stored with the tombstones. It should not name anybody.
    dry_run
        Return what would be done and change nothing.
    alike
        Whether images that look like it are removed, too, now and by later dedupes.

    Raises
    ------
    BtferError
        If the target is unknown, another command is running, a file cannot be deleted or written, or another program
        keeps the catalog from overwriting what was deleted.
    """
    catalog = workspace.catalog
    with ExitStack() as stack:
        for stage in STAGES:
            stack.enter_context(workspace.stage(stage))
        if not dry_run:
            reconcile(workspace, *STAGES)
        matches = find_matches(workspace, target, alike=alike)
        gone = set(matches.faces) | taken_down_faces(catalog)
        chosen, replacements = find_replacements(workspace, set(matches.faces), set(matches.reasons))
        here, elsewhere = _copies(workspace, gone, matches.releases)
        unrecorded = frozenset(map(str, matches.releases)) - set(release_folders(catalog))
        if dry_run:
            planned = [(str(path), version) for path, version, _ in here]
            return Takedown(True, matches, replacements, planned, elsewhere, unrecorded)
        ids = {*matches.reasons, *matches.faces}
        rows = about_to_erase(catalog, workspace.manifests, ids, matches.urls)
        with catalog.run("takedown", {}) as counts:
            add_tombstones(catalog, matches.tombstones, reason)
            _delete(workspace, matches)
            intend(catalog, "release", *(str(path) for path, _, _ in here))
            intend(catalog, "sample", CACHE)
            erase(
                catalog,
                image_ids=list(matches.reasons),
                face_ids=matches.faces,
                urls=matches.urls,
                sample=chosen,
            )
            delete_cached_faces(
                workspace
            )  # after the rows: nobody keeps the faces of an earlier sample any more
            rewrite_manifests(workspace, rows)
            _write_sample(workspace)
            releases = [_write_again(workspace, path, settings) for path, _, settings in here]
            with catalog.transaction() as db:
                fulfil(db, CACHE, *(str(path) for path, _, _ in here))
            counts |= {"images": len(matches.reasons), "faces": len(matches.faces), "releases": len(releases)}
            counts |= {"short": sum(face.by is None for face in replacements)}
        finish_erasure(workspace, matches.urls)
        if any(path.parent == workspace.backups for path in matches.derived):
            back_up(catalog.connection, workspace.backups)  # in place of those that had it
    return Takedown(False, matches, replacements, releases, elsewhere, unrecorded)


def _copies(
    workspace: Workspace, faces: set[str], others: Sequence[Path]
) -> tuple[list[tuple[Path, int, dict[str, Any]]], list[str]]:
    """Return the releases with one of the faces: those that exist, and the folders of those that do not.

    `others` are releases that have it although the catalog does not say so.
    """
    releases = {
        Path(path): (version, settings) for path, version, settings in copies_with(workspace.catalog, faces)
    }
    for path in releases:
        restore_folder(path)  # of a takedown that was killed
    known = copies_of(workspace.catalog)
    for path in others:
        releases.setdefault(path, known.get(str(path)) or (0, _settings_of(path)))
    here = [(path, *facts) for path, facts in releases.items() if (path / "release.json").is_file()]
    return sorted(here), [str(path) for path in releases if not (path / "release.json").is_file()]


def _settings_of(folder: Path) -> dict[str, Any]:
    """Return the settings of a release that the catalog does not know, as its files show them."""
    info = release_info(folder)
    return {
        "name": info.get("name", ReleaseRecipe().name),
        "include_unlicensed": not info.get("redistributable", True),
        "urls_only": info["form"] == "urls",
        "webdataset": (folder / "shards").is_dir(),
    }


def _delete(workspace: Workspace, matches: TakedownMatches) -> None:
    """Delete the files, before their rows: a takedown that was killed finds them again."""
    in_sample = {row["face_id"]: workspace.root / row["path"] for row in sampled_faces(workspace.catalog)}
    sampled = [in_sample[face_id] for face_id in matches.faces if face_id in in_sample]
    try:
        for path in (*matches.files, *sampled):
            path.unlink(missing_ok=True)
        for path in (*matches.reports, *matches.derived):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise BtferError(
            f"{error.filename}: cannot be deleted: {error.strerror}; the catalog is unchanged; "
            "make it writable and run the command again"
        ) from None


def _write_sample(workspace: Workspace) -> None:
    """Write the folder of the sample again if its files are not those of the catalog."""
    target = workspace.data / "sample"
    restore_sample(target)
    rows = sampled_faces(workspace.catalog)
    if not target.exists() or {workspace.root / row["path"] for row in rows} == set(target.rglob("*.png")):
        return
    files = {face.face_id: workspace.files / face.path for face in accepted_faces(workspace.catalog)}
    missing = [row["face_id"] for row in rows if row["face_id"] not in files]
    if missing:
        raise BtferError(
            f"{len(missing)} faces of the sample are no longer accepted: btfer sample draws it again"
        )
    chosen = [
        SampledFace(row["face_id"], row["emotion"], row["rank"], row["path"], row["split"], row["sha256"])
        for row in rows
    ]
    splits = tuple(drawn_with(workspace).splits) or (ONLY_SPLIT,)
    write_sample(workspace.root, target, chosen, files, splits)


def _write_again(workspace: Workspace, path: Path, settings: dict[str, Any]) -> tuple[str, int]:
    """Replace a release by its next version."""
    recipe = msgspec.convert(settings, ReleaseRecipe)
    try:
        with build_folder(path, overwrite=True) as building:
            stats, faces = write_release_files(workspace, building, recipe)
    except BtferError as error:
        raise BtferError(
            f"the photo is removed from the workspace, but {path} still contains it and could not be written again "
            f"({error}); delete that folder, or fix the problem and run the same command again"
        ) from None
    record_release(workspace, path, stats, faces)
    return str(path), stats.version
