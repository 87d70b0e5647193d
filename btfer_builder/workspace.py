"""A workspace: where its files are, its recipe and its catalog, and one command at a time on a stage."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.catalog import holds_rows
from btfer_builder.catalog.crop import first_image_paths
from btfer_builder.catalog.manifests import check_views, filled_csv
from btfer_builder.config import Recipe, load_recipe, recipe_text
from btfer_builder.errors import BtferError
from btfer_builder.io.locks import lock_file
from btfer_builder.io.storage import Root, Storage
from btfer_builder.queries.plan import default_vocabulary

RECIPE_NAME = "btfer.toml"

#: So many images are looked for before all of them are taken to be somewhere else.
_LOOKED_FOR = 200


@dataclass(frozen=True)
class Workspace:
    """The folder a set is built in."""

    root: Path

    @property
    def queries(self) -> Path:
        """The vocabulary the search phrases are made of."""
        return self.root / "queries"

    @property
    def data(self) -> Path:
        """Images, faces and the sample."""
        return self.root / "data"

    @cached_property
    def files(self) -> Root:
        """What the paths of images and faces in the catalog are relative to."""
        elsewhere = self.recipe.storage.data
        return Storage(self.root, elsewhere) if elsewhere else self.root

    @property
    def manifests(self) -> Path:
        """The catalog and its views."""
        return self.root / "manifests"

    @property
    def reports(self) -> Path:
        """What models scored."""
        return self.root / "reports"

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe as `btfer.toml` states it."""
        return load_recipe(self.root / RECIPE_NAME)

    @cached_property
    def catalog(self) -> Catalog:
        """The one truth about this workspace: made where nothing was done yet, else opened.

        Raises
        ------
        BtferError
            If it is missing or empty though there is what was made from it, or is another workspace's.
        """
        path = self.manifests / "btfer.sqlite"
        # Looked at twice: another command may just be filling a new one, its rows before its pictures.
        if not holds_rows(path) and (left := self._left_behind(path)) and not holds_rows(path):
            state = "has nothing in it" if path.exists() else "is missing"
            # SQLite would write what is in the log of one catalog into another one.
            logs = f" (delete {path.name}-wal and -shm first)" if _log(path).exists() else ""
            raise BtferError(
                f"{path} {state}, but {left}: restore the catalog from a backup{logs}, or move data/ and manifests/ "
                "away to begin again. Nothing was changed"
            )
        self.manifests.mkdir(exist_ok=True)
        catalog = Catalog(path)
        check_views(catalog, self.manifests)
        return catalog

    def _left_behind(self, catalog: Path) -> str | None:
        """Say what shows that there was a catalog here; None in a new workspace."""
        if view := filled_csv(self.manifests):
            return f"{view} has rows"
        if not _has_bytes(catalog) and _has_bytes(_log(catalog)):
            return f"{_log(catalog)} is there"
        for name in ("images", "faces", "sample", "thumbs"):
            place = self.files / f"data/{name}"
            if isinstance(place, Path):
                found = any(path.is_file() and path.name[0] != "." for path in place.rglob("*"))
            else:
                found = place.is_dir()
            if found:
                return f"{place} holds pictures"
        return None

    def check_images(self) -> None:
        """Check that images of the catalog are where they should be.

        A share that is not mounted, or the catalog of another workspace, is no reason to drop all of them.

        Raises
        ------
        BtferError
            If the folder is gone, or holds none of them.
        """
        folder = self.files / "data/images"
        if not folder.is_dir():
            raise BtferError(
                f"{folder} is not there, and images of the catalog should be in it; is the storage mounted, is "
                "storage.data right? Nothing was dropped"
            )
        paths = first_image_paths(self.catalog, _LOOKED_FOR)
        if not any((self.files / path).is_file() for path in paths):
            raise BtferError(
                f"{folder} has none of the first {len(paths)} images of {self.catalog.path}; is the right storage "
                "mounted, is this the workspace's own catalog? Nothing was dropped"
            )

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Hold a stage for this process; a second one is told so. The lock dies with its holder.

        Raises
        ------
        BtferError
            If another process is running the stage.
        """
        busy = f"another btfer {name} is running in {self.root}; wait for it, it loses nothing"
        with lock_file(self.manifests / f".{name}.lock", busy):
            yield


def _log(catalog: Path) -> Path:
    """Return the file in which SQLite keeps what is not written into the catalog yet."""
    return catalog.with_name(f"{catalog.name}-wal")


def _has_bytes(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def open_workspace(directory: Path | None) -> Workspace:
    """Open the workspace named by `-w`, else by `BTFER_WORKSPACE`, else the current folder.

    Raises
    ------
    BtferError
        If the folder is no workspace.
    """
    root = (directory or Path(os.environ.get("BTFER_WORKSPACE") or ".")).absolute()
    if not (root / RECIPE_NAME).is_file():
        raise BtferError(f"{root} is no workspace: it has no {RECIPE_NAME}. Make one with: btfer init {root}")
    return Workspace(root)


def recipe_of(directory: Path | None) -> Recipe:
    """Return the recipe of the workspace, or the defaults where no workspace is named and there is none.

    Raises
    ------
    BtferError
        If a workspace is named that is none, or its recipe is wrong.
    """
    root = directory or Path(os.environ.get("BTFER_WORKSPACE") or ".")
    if directory is None and not (root / RECIPE_NAME).is_file():
        return Recipe()
    return open_workspace(root).recipe


def create_workspace(directory: Path) -> Workspace:
    """Make a folder a workspace: its recipe with every default stated, and the vocabulary to edit.

    What is already there is left as it is, so a workspace can be completed by a second call.

    Raises
    ------
    BtferError
        If the folder cannot be made or written.
    """
    workspace = Workspace(directory.absolute())
    try:
        for folder in (workspace.queries, workspace.data, workspace.manifests):
            folder.mkdir(parents=True, exist_ok=True)
        recipe = workspace.root / RECIPE_NAME
        if not recipe.exists():
            recipe.write_text(recipe_text(), encoding="utf-8")
        for vocabulary in sorted(default_vocabulary().glob("*.yaml")):
            if not (workspace.queries / vocabulary.name).exists():
                shutil.copyfile(vocabulary, workspace.queries / vocabulary.name)
    except OSError as error:
        raise BtferError(f"{directory}: cannot be made a workspace: {error.strerror}") from None
    return workspace
