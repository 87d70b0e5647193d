"""Take a person out: delete every trace, leave tombstones, fill the gaps, and write the releases anew."""

import shutil
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from btfer_builder.catalog.manifests import MANIFESTS, write_manifests
from btfer_builder.catalog.release import copies_with
from btfer_builder.catalog.sample import accepted_faces, sampled_faces
from btfer_builder.catalog.takedown import add_tombstones, buried_faces
from btfer_builder.config import ReleaseRecipe
from btfer_builder.crop.sweep import sweep_faces
from btfer_builder.errors import BtferError
from btfer_builder.io.atomic import build_folder, restore_folder
from btfer_builder.labels import Emotion
from btfer_builder.records import SampledFace
from btfer_builder.release.stage import record_release, write_release_files
from btfer_builder.release.takedown.find_matches import TakedownMatches, find_traces
from btfer_builder.release.takedown.replacements import Replacement, drawn_with, refill
from btfer_builder.sample.choose import ONLY_SPLIT
from btfer_builder.sample.folder import restore_sample, write_sample
from btfer_builder.workspace import Workspace

#: Everything that reads or writes what is taken out waits until it is.
_STAGES = ("crawl", "dedupe", "crop", "sample", "release")


@dataclass(frozen=True)
class Takedown:
    """What was taken out, or would be.

    Attributes
    ----------
    releases
        (folder, version) of every written release that holds one of the faces; the version it has afterwards.
    gone_releases
        Folders of such releases that are not where they were written.
    """

    dry_run: bool
    traces: TakedownMatches
    replacements: list[Replacement]
    releases: list[tuple[str, int]] = field(default_factory=list)
    gone_releases: list[str] = field(default_factory=list)

    @property
    def short(self) -> dict[Emotion, int]:
        """How many faces each class lacks now."""
        missing = [one.emotion for one in self.replacements if one.by is None]
        return {emotion: missing.count(emotion) for emotion in sorted(set(missing))}

    def to_dict(self) -> dict[str, Any]:
        """Return the form of `btfer takedown --json`."""
        return {
            "dry_run": self.dry_run,
            "images": [{"image_id": image_id, "why": why} for image_id, why in self.traces.why.items()],
            "faces": self.traces.faces,
            "urls": self.traces.urls,
            "files": [str(path) for path in self.traces.files],
            "reports": [str(path) for path in self.traces.reports],
            "own_files": self.traces.own_files,
            "same_page": self.traces.same_page,
            "replaced": [
                {"face_id": one.face_id, "emotion": one.emotion, "split": one.split, "by": one.by}
                for one in self.replacements
            ],
            "short": self.short,
            "releases": [{"path": path, "version": version} for path, version in self.releases],
            "gone_releases": self.gone_releases,
        }


def take_down(workspace: Workspace, target: str, *, why: str = "", dry_run: bool = False) -> Takedown:
    """Take a picture out of everything the workspace holds and has released.

    Killed at any moment, it is finished by the same command again.

    Parameters
    ----------
    workspace
        Where.
    target
        A face id, an image id, an address, or a picture file.
    why
        Stands on the tombstones; say nothing there that names anybody.
    dry_run
        Find everything and change nothing.

    Raises
    ------
    BtferError
        If the target is nothing known, another command is running, or a file or folder cannot be deleted or written.
    """
    catalog = workspace.catalog
    with ExitStack() as stack:
        for stage in _STAGES:
            stack.enter_context(workspace.stage(stage))
        traces = find_traces(workspace, target)
        gone = set(traces.faces) | buried_faces(catalog)
        chosen, replacements = refill(workspace, set(traces.faces), set(traces.why))
        here, elsewhere = _copies(workspace, gone)
        if dry_run:
            return Takedown(True, traces, replacements, [(str(p), v) for p, v, _ in here], elsewhere)
        with catalog.run("takedown", {}) as counts:
            _delete(workspace, traces)
            add_tombstones(
                catalog,
                traces.tombstones,
                image_ids=list(traces.why),
                face_ids=traces.faces,
                urls=traces.urls,
                sample=chosen,
                why=why,
            )
            sweep_faces(workspace)
            there = [name for name in MANIFESTS if (workspace.manifests / f"{name}.csv").exists()]
            write_manifests(catalog, workspace.manifests, *there)
            _write_sample(workspace)
            releases = [_write_again(workspace, path, settings) for path, _, settings in here]
            counts |= {"images": len(traces.why), "faces": len(traces.faces), "releases": len(releases)}
            counts |= {"short": sum(one.by is None for one in replacements)}
    return Takedown(False, traces, replacements, releases, elsewhere)


def _copies(
    workspace: Workspace, faces: set[str]
) -> tuple[list[tuple[Path, int, dict[str, Any]]], list[str]]:
    """Return the written releases that hold one of the faces: those still there, and those that are not."""
    found = [
        (Path(path), version, settings) for path, version, settings in copies_with(workspace.catalog, faces)
    ]
    for path, _, _ in found:
        restore_folder(path)  # a takedown that was killed in between
    here = [copy for copy in found if (copy[0] / "release.json").is_file()]
    return here, [str(path) for path, _, _ in found if not (path / "release.json").is_file()]


def _delete(workspace: Workspace, traces: TakedownMatches) -> None:
    """Delete files before the catalog forgets their names: a takedown that was killed finds them again."""
    in_sample = {row["face_id"]: workspace.root / row["path"] for row in sampled_faces(workspace.catalog)}
    sampled = [in_sample[face_id] for face_id in traces.faces if face_id in in_sample]
    try:
        for path in (*traces.files, *sampled):
            path.unlink(missing_ok=True)
        for folder in traces.reports:
            shutil.rmtree(folder)
    except OSError as error:
        raise BtferError(
            f"{error.filename}: cannot be deleted: {error.strerror}; nothing was taken out of the catalog yet, "
            "run it again when that is mended"
        ) from None


def _write_sample(workspace: Workspace) -> None:
    """Write the sample's folder anew if it is not what the catalog says."""
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
    """Put the next version of a release in the place of one that holds what was taken out."""
    recipe = msgspec.convert(settings, ReleaseRecipe)
    try:
        with build_folder(path, overwrite=True) as building:
            facts, faces = write_release_files(workspace, building, recipe)
    except BtferError as error:
        raise BtferError(
            f"the picture is out of the workspace, but {path} still holds it and could not be written again "
            f"({error}); delete that folder, or mend it and run the same command again"
        ) from None
    record_release(workspace, path, facts, faces)
    return str(path), facts.version
