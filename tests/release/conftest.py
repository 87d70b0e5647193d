"""One small set a module, copied for each test that changes it."""

import shutil

import pytest

from btfer_builder.config import ReleaseRecipe
from btfer_builder.release.stage import release
from btfer_builder.workspace import Workspace
from tests.release.small_set import small_set


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A workspace with a sample, never changed."""
    workspace, filled = small_set(tmp_path_factory.mktemp("made"))
    workspace.catalog.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return workspace, filled


@pytest.fixture
def workspace(made, tmp_path):
    shutil.copytree(made[0].root, tmp_path / "faces")
    return Workspace(tmp_path / "faces")


@pytest.fixture
def filled(made):
    return made[1]


@pytest.fixture(scope="session")
def released(made, tmp_path_factory):
    """A release with everything in it, never changed."""
    folder = tmp_path_factory.mktemp("released")
    shutil.copytree(made[0].root, folder / "faces")
    recipe = ReleaseRecipe(webdataset=True, contact="takedown@example.org")
    return release(Workspace(folder / "faces"), folder / "out", recipe)


@pytest.fixture(scope="session")
def released_urls(made, tmp_path_factory):
    """A release of addresses that nobody can reach, never changed."""
    folder = tmp_path_factory.mktemp("released_urls")
    shutil.copytree(made[0].root, folder / "faces")
    return release(Workspace(folder / "faces"), folder / "out", ReleaseRecipe(urls_only=True)).path
