"""Compare the files of a workspace with its catalog, and delete what a killed command left behind.

Only files that btfer names, in the folders that btfer fills, are deleted; all others are passed over.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.intentions import ERASED, fulfil, intend, intentions
from btfer_builder.catalog.owned_files import cached_sets, face_files, image_files, item_ids, sample_files
from btfer_builder.catalog.purge import purged_paths
from btfer_builder.catalog.release import release_folders
from btfer_builder.catalog.takedown import overwrite_deleted
from btfer_builder.errors import BtferError
from btfer_builder.images.formats import FORMATS
from btfer_builder.io.atomic import delete_left_folders, delete_left_parts, restore_folder
from btfer_builder.io.locks import try_lock
from btfer_builder.io.storage import RemoteFile, files_below
from btfer_builder.io.terminal import echo_stderr
from btfer_builder.workspace import Workspace, rewrite_manifests

#: The stages that write files, each under its lock.
STAGES = ("crawl", "dedupe", "crop", "sample", "release")

#: The folder with the resized faces of the sample that `sample.cached_faces` keeps.
CACHE = "data/cache"

#: How the temporary folder of a sample begins as 0.1.0 named it, and that of the photos of `btfer rebuild`.
SAMPLE_LEFTOVERS = (".sample.*",)
PHOTOS = ".photos."

#: An unfinished file of `open_atomic` or of a download.
_PART = re.compile(r"(?:.*/)?\.[^/]+\.part")


@dataclass(frozen=True, slots=True)
class Area:
    """A folder of files that a stage makes.

    Attributes
    ----------
    stage, folder
        The stage whose lock is needed, and the folder in the workspace.
    name
        What its files are called; the first group is what `owned` returns, else the whole path.
    owned
        The files that belong to a row of the catalog.
    made_from
        The folder whose files these are made from whenever they are asked for.
    """

    stage: str
    folder: str
    name: re.Pattern[str]
    owned: Callable[[Catalog], set[str]]
    made_from: str = ""


_SUFFIXES = "|".join(sorted(set(FORMATS.values())))

AREAS = (
    Area("crawl", "data/images", re.compile(rf"data/images/[0-9a-f]{{2}}/[0-9a-f]{{64}}\.(?:{_SUFFIXES})"),
         image_files),
    Area("crop", "data/faces", re.compile(r"data/faces/[0-9a-f]{2}/[0-9a-f]{16}\.png"),
         face_files),
    Area("crawl", "data/thumbs/images", re.compile(r"data/thumbs/images/[0-9a-f]{2}/([0-9a-f]{64})\.jpg"),
         lambda catalog: item_ids(catalog, "image"), "data/images"),
    Area("crop", "data/thumbs/faces", re.compile(r"data/thumbs/faces/[0-9a-f]{2}/([0-9a-f]{16})\.jpg"),
         lambda catalog: item_ids(catalog, "face"), "data/faces"),
    Area("sample", "data/sample", re.compile(r"data/sample/(?:[a-z]+/)?[a-z]+/[0-9a-f]{16}\.png"), sample_files),
    Area("sample", CACHE, re.compile(rf"{CACHE}/([0-9a-f]{{16}})-[0-9a-f]{{16}}\.faces"), cached_sets, "data/sample"),
)  # fmt: skip

#: A file that has one of these names is btfer's.
OWN_NAMES = re.compile("|".join(f"(?:{area.name.pattern})" for area in AREAS))


def owned_names(workspace: Workspace) -> Callable[[str], bool]:
    """Return a function that says whether a path, relative to the workspace, belongs to a row of the catalog."""
    # Only the names of the folder asked for last: those of all would fill the memory.
    names_of = lru_cache(maxsize=1)(lambda area: area.owned(workspace.catalog))

    def is_owned(path: str) -> bool:
        area = next((area for area in AREAS if path.startswith(f"{area.folder}/")), None)
        if area is None:
            return False
        names, match = names_of(area), area.name.fullmatch(path) if area.name.groups else None
        return path in names or (match is not None and match[1] in names)

    return is_owned


@dataclass
class Reconciled:
    """What a comparison found.

    Attributes
    ----------
    deleted
        Files and folders that belonged to nothing.
    passed_over
        Number of files that are not deleted, by folder: of other names, or of an unknown folder.
    unknown
        Folders with files of btfer's names of which the catalog knows none, so that they may be another catalog's.
    """

    deleted: list[str] = field(default_factory=list)
    passed_over: dict[str, int] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)


@contextmanager
def writing(workspace: Workspace, stage: str, *paths: str, whole: bool = False) -> Iterator[None]:
    """Record what a stage is about to write, after what killed commands left is deleted; the caller holds its lock.

    A folder with files that may be another catalog's is not recorded, so that no later command deletes them.

    Parameters
    ----------
    workspace, stage
        The workspace and the stage.
    paths
        Files and folders that it writes, relative to the workspace or absolute. If the block ends without an error,
        everything in them is recorded; otherwise the next command compares them with the catalog.
    whole
        The paths are written whole or not at all (`build_folder`): an error leaves nothing to compare.
    """
    found = reconcile(workspace, stage)
    intend(workspace.catalog, stage, *(path for path in paths if path not in found.unknown))
    try:
        yield
    except BtferError:
        if whole:
            _forget(workspace, paths)
        raise
    _forget(workspace, paths)


def _forget(workspace: Workspace, paths: Sequence[str]) -> None:
    with workspace.catalog.transaction() as db:
        fulfil(db, *paths)


def reconcile(workspace: Workspace, *stages: str) -> Reconciled:
    """Delete what killed commands left in the folders of these stages, and where any stage that is free was writing.

    Parameters
    ----------
    workspace
        The workspace.
    stages
        The stages whose locks the caller holds.
    """
    catalog, found = workspace.catalog, Reconciled()
    for folder in (workspace.manifests, workspace.backups):
        found.deleted += map(str, delete_left_parts(folder))
    with ExitStack() as locks:
        pending = intentions(catalog)
        held = set(stages)
        for stage in {intention.stage for intention in pending} - held:
            if lock := try_lock(workspace.lock_path(stage)):  # otherwise its writer is alive
                locks.callback(lock.release)
                held.add(stage)
        begun = {intention.path for intention in pending if intention.stage in held}
        for area in AREAS:
            if area.stage in stages or area.folder in begun:
                _reconcile_area(workspace, area, area.folder in begun, found)
        if "sample" in stages or "data/sample" in begun:
            restore_folder(workspace.data / "sample", SAMPLE_LEFTOVERS)
        folders = release_folders(catalog) if "release" in stages else []
        for path in dict.fromkeys([*folders, *(path for path in begun if Path(path).is_absolute())]):
            found.deleted += map(str, restore_folder(Path(path)))
            found.deleted += map(str, delete_rebuild_leftovers(Path(path)))
        if ERASED in begun:
            begun.discard(ERASED)
            rewrite_manifests(workspace)
            if catalog.empty_log():  # otherwise the next command tries again
                begun.add(ERASED)
        if begun:
            with catalog.transaction() as db:
                fulfil(db, *begun)
    if found.passed_over:
        counts = ", ".join(f"{folder} {count}" for folder, count in found.passed_over.items())
        echo_stderr(f"files that the catalog does not know, left as they are: {counts}")
    return found


def finish_erasure(workspace: Workspace, urls: Collection[str] = ()) -> None:
    """Let no page of the catalog's files have what was erased from its tables, after its views are written again.

    Raises
    ------
    BtferError
        If another program reads the catalog for so long that its log cannot be emptied; the next command tries again.
    """
    overwrite_deleted(workspace.catalog, urls)
    with workspace.catalog.transaction() as db:
        fulfil(db, ERASED)


def _reconcile_area(workspace: Workspace, area: Area, begun: bool, found: Reconciled) -> None:
    root = workspace.files
    paths = files_below(root, area.folder)
    owned = area.owned(workspace.catalog) if paths else set()
    purged = set(purged_paths(workspace.catalog)) if begun and paths else set()
    named, parts, other = {}, [], 0
    for path in paths:
        if path in purged:  # of any name, and by a purge that was killed
            parts.append(root / path)
        elif match := area.name.fullmatch(path):
            named[path] = match[1] if match.re.groups else path
        elif _PART.fullmatch(path):
            parts.append(root / path)
        else:
            other += path not in owned
    if isinstance(root / area.folder, RemoteFile):  # what is not uploaded yet
        local = files_below(workspace.root, area.folder)
        parts += [workspace.root / path for path in local if _PART.fullmatch(path)]
    unowned = [path for path, name in named.items() if name not in owned]
    none_known = area.made_from in found.unknown if area.made_from else len(unowned) == len(named)
    if unowned and none_known and not begun:
        found.unknown.add(area.folder)
        other, unowned = other + len(unowned), []
    for file in (*parts, *(root / path for path in unowned)):
        file.unlink(missing_ok=True)
        found.deleted.append(str(file))
    if other:
        found.passed_over[area.folder] = other


def delete_rebuild_leftovers(folder: Path) -> list[Path]:
    """Delete the photos and unfinished files that a killed `btfer rebuild` left in a release, and return them."""
    left = delete_left_folders(folder, PHOTOS)
    if not any(folder.glob(f"{PHOTOS}*")):  # otherwise another one is at work
        parts = list(folder.rglob(".*.part"))
        for part in parts:
            part.unlink(missing_ok=True)
        left += parts
    return left
