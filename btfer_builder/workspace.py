"""A workspace: its files, its settings, its catalog, and a lock for each stage."""

import os
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.catalog import holds_rows
from btfer_builder.catalog.crop import first_image_paths
from btfer_builder.catalog.erased_rows import ErasedRows, write_without
from btfer_builder.catalog.manifests import MANIFESTS, check_views, filled_csv, write_manifests
from btfer_builder.config import Recipe, load_recipe, recipe_text
from btfer_builder.errors import BtferError
from btfer_builder.io.locks import lock_file
from btfer_builder.io.storage import Root, Storage
from btfer_builder.queries.plan import default_vocabulary

RECIPE_NAME = "btfer.toml"

#: Number of images to look for before the folder of images is considered wrong.
_LOOKED_FOR = 200


@dataclass(frozen=True)
class Workspace:
    """The folder in which a set is built."""

    root: Path

    @property
    def queries(self) -> Path:
        """The folder with the vocabulary of the search phrases."""
        return self.root / "queries"

    @property
    def data(self) -> Path:
        """The folder with images, faces and the sample."""
        return self.root / "data"

    @cached_property
    def files(self) -> Root:
        """The root of the paths of images and faces in the catalog."""
        elsewhere = self.recipe.storage.data
        return Storage(self.root, elsewhere) if elsewhere else self.root

    @property
    def manifests(self) -> Path:
        """The folder with the catalog and its CSV views."""
        return self.root / "manifests"

    @property
    def backups(self) -> Path:
        """The folder with copies of the catalog."""
        return self.manifests / "backups"

    @property
    def reports(self) -> Path:
        """The folder with the reports on models."""
        return self.root / "reports"

    @cached_property
    def recipe(self) -> Recipe:
        """The settings in `btfer.toml`."""
        return load_recipe(self.root / RECIPE_NAME)

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog; created in a new workspace, otherwise opened.

        Raises
        ------
        BtferError
            If it is missing or empty although there are files made from it, or belongs to another workspace.
        """
        path = self.manifests / "btfer.sqlite"
        # Checked twice: another command may be filling a new catalog, its rows before its images.
        if not holds_rows(path) and (left := self._left_behind(path)) and not holds_rows(path):
            state = "is empty" if path.exists() else "is missing"
            backup = max(
                self.backups.glob("btfer-*Z.sqlite"), default="BACKUP"
            )  # their names have their times
            raise BtferError(
                f"{path} {state}, but {left}: restore the catalog from a backup with btfer catalog restore "
                f"{shlex.quote(str(backup))}, "
                "or move data/ and manifests/ away to start again. Nothing was changed"
            )
        self.manifests.mkdir(exist_ok=True)
        catalog = Catalog(path)
        check_views(catalog, self.manifests)
        return catalog

    def _left_behind(self, catalog: Path) -> str | None:
        """Return the evidence that there was a catalog, as a clause of a message; None in a new workspace."""
        if view := filled_csv(self.manifests):
            return f"{view} has rows"
        if not _has_bytes(catalog) and _has_bytes(_log(catalog)):
            return f"{_log(catalog)} exists"
        for name in ("images", "faces", "sample", "thumbs"):
            folder = self.files / f"data/{name}"
            if isinstance(folder, Path):
                has_images = any(path.is_file() and path.name[0] != "." for path in folder.rglob("*"))
            else:
                has_images = folder.is_dir()
            if has_images:
                return f"{folder} holds images"
        return None

    def check_images(self) -> None:
        """Check that the images of the catalog are in their folder.

        Otherwise a stage would drop all of them where a network share is not mounted.

        Raises
        ------
        BtferError
            If the folder does not exist or holds none of the images.
        """
        folder = self.files / "data/images"
        paths = first_image_paths(self.catalog, _LOOKED_FOR)
        if not paths:
            return
        if not folder.is_dir():
            raise BtferError(
                f"{folder} does not exist, but the catalog has images in it; is the storage mounted, is "
                "storage.data right? Nothing was dropped"
            )
        if not any((self.files / path).is_file() for path in paths):
            raise BtferError(
                f"{folder} has none of the first {len(paths)} images of {self.catalog.path}; is the right storage "
                "mounted, is this the catalog of this workspace? Nothing was dropped"
            )

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Lock a stage for this process. The lock is released when the process ends, however it ends.

        Raises
        ------
        BtferError
            If another process runs the stage.
        """
        busy = f"another btfer {name} is running in {self.root}; wait until it ends"
        with lock_file(self.lock_path(name), busy):
            yield

    def lock_path(self, stage: str) -> Path:
        """Return the lock file of a stage."""
        return self.manifests / f".{stage}.lock"


def _log(catalog: Path) -> Path:
    """Return the write-ahead log of a catalog."""
    return catalog.with_name(f"{catalog.name}-wal")


def _has_bytes(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def rewrite_manifests(workspace: Workspace, erased: ErasedRows | None = None) -> None:
    """Write every CSV view again that exists; if only rows were erased, without them."""
    there = [name for name in MANIFESTS if (workspace.manifests / f"{name}.csv").exists()]
    if erased:
        write_without(workspace.catalog, workspace.manifests, erased, there)
    else:
        write_manifests(workspace.catalog, workspace.manifests, *there)


def absolute(path: Path) -> Path:
    """Return a path from the root on, without `..`; links stay unless a `..` has to be followed beyond one."""
    return path.resolve() if ".." in path.parts else path.absolute()


def open_workspace(directory: Path | None) -> Workspace:
    """Open a workspace: the given folder, else that of `BTFER_WORKSPACE`, else the current folder.

    Raises
    ------
    BtferError
        If the folder is not a workspace.
    """
    root = absolute(directory or Path(os.environ.get("BTFER_WORKSPACE") or "."))
    recipe = root / RECIPE_NAME
    if not os.path.lexists(recipe):
        near = _nearest_workspace(root)
        end = f"{near} is one: use btfer -w {shlex.quote(str(near))}, or create" if near else "Create"
        raise BtferError(
            f"{root} is not a workspace: it has no {RECIPE_NAME}. {end} one with: btfer init {shlex.quote(str(root))}"
        )
    if not recipe.is_file():
        raise BtferError(
            f"{recipe} is not a file; move it away, then write the settings again with: "
            f"btfer init {shlex.quote(str(root))}"
        )
    return Workspace(root)


def _nearest_workspace(folder: Path) -> Path | None:
    """Return the workspace that a folder is in, or else the only one among the folders in it."""
    for above in folder.parents:
        if (above / RECIPE_NAME).is_file():
            return above
    try:
        below = [entry.parent for entry in folder.glob(f"*/{RECIPE_NAME}") if entry.is_file()]
    except OSError:
        return None
    return below[0] if len(below) == 1 else None


def find_workspace(directory: Path | None) -> Workspace | None:
    """Open a workspace as `open_workspace`; None if none is named and the current folder is none.

    Raises
    ------
    BtferError
        If the folder that is named is not a workspace.
    """
    named = directory or os.environ.get("BTFER_WORKSPACE")
    return open_workspace(directory) if named or os.path.lexists(Path.cwd() / RECIPE_NAME) else None


def recipe_of(directory: Path | None) -> Recipe:
    """Return the settings of the workspace, or the defaults if none is given and there is none.

    Raises
    ------
    BtferError
        If the given folder is not a workspace, or its settings are invalid.
    """
    root = directory or Path(os.environ.get("BTFER_WORKSPACE") or ".")
    if directory is None and not os.path.lexists(root / RECIPE_NAME):
        return Recipe()
    return open_workspace(root).recipe


def create_workspace(directory: Path) -> Workspace:
    """Create a workspace: `btfer.toml` with every default, and the vocabulary of the search phrases.

    Existing files are kept, so that a second call completes a workspace.

    Raises
    ------
    BtferError
        If the folder cannot be created or written.
    """
    workspace = Workspace(absolute(directory))
    try:
        for folder in (workspace.queries, workspace.data, workspace.manifests):
            folder.mkdir(parents=True, exist_ok=True)
        recipe = workspace.root / RECIPE_NAME
        if os.path.lexists(recipe) and not recipe.is_file():
            raise BtferError(f"{recipe} is not a file; move it away and run btfer init again")
        if not recipe.exists():
            recipe.write_text(recipe_text(), encoding="utf-8")
        for vocabulary in sorted(default_vocabulary().glob("*.yaml")):
            if not (workspace.queries / vocabulary.name).exists():
                shutil.copyfile(vocabulary, workspace.queries / vocabulary.name)
    except OSError as error:
        raise BtferError(f"{directory}: cannot create a workspace: {error.strerror}") from None
    return workspace
