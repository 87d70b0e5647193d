"""A workspace: where its files are, its recipe and its catalog, and one command at a time on a stage."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from btfer_builder.catalog import Catalog
from btfer_builder.errors import BtferError
from btfer_builder.queries.plan import default_vocabulary
from btfer_builder.recipe import Recipe, load_recipe, recipe_text
from btfer_builder.storage import Root, Storage

RECIPE_NAME = "btfer.toml"


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
        """The one truth about this workspace."""
        self.manifests.mkdir(exist_ok=True)
        return Catalog(self.manifests / "btfer.sqlite")

    def check_images(self) -> None:
        """Check that the folder of the images is there: a share that is not mounted is no reason to drop them.

        Raises
        ------
        BtferError
            If it is gone.
        """
        folder = self.files / "data/images"
        if not folder.is_dir():
            raise BtferError(
                f"{folder} is not there, and images of the catalog should be in it; is the storage mounted, is "
                "storage.data right? Nothing was dropped"
            )

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Hold a stage for this process; a second one is told so. The lock dies with its holder.

        Raises
        ------
        BtferError
            If another process is running the stage.
        """
        from filelock import FileLock, Timeout

        self.manifests.mkdir(exist_ok=True)
        lock = FileLock(self.manifests / f".{name}.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise BtferError(
                f"another btfer {name} is running in {self.root}; wait for it, it loses nothing"
            ) from None
        try:
            yield
        finally:
            lock.release()


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
