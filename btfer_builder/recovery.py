"""Check the catalog against its files, and restore it from a backup without losing decisions or tombstones."""

import sqlite3
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.backup import (
    add_missing_decisions,
    add_missing_purged,
    add_missing_tombstones,
    back_up,
    copy_catalog,
    problems_of,
    read_decisions,
)
from btfer_builder.catalog.intentions import intentions
from btfer_builder.catalog.takedown import erase_taken_down_again
from btfer_builder.errors import BtferError
from btfer_builder.io.storage import files_below
from btfer_builder.io.text import clause
from btfer_builder.reconcile import AREAS, STAGES
from btfer_builder.workspace import Workspace, rewrite_manifests


@dataclass(frozen=True)
class CatalogCheck:
    """What is wrong with a catalog, and how its files compare with it.

    Attributes
    ----------
    problems
        Sentences; none if all is well.
    unowned, missing
        Number of files that belong to no row, and of rows whose file is missing, by folder.
    unfinished
        Paths that a killed command was writing; the next command of its stage compares them with the catalog.
    """

    path: str
    problems: list[str] = field(default_factory=list)
    unowned: dict[str, int] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)
    unfinished: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the form of `btfer catalog check --json`."""
        return asdict(self)


def check_catalog(workspace: Workspace) -> CatalogCheck:
    """Check the file of the catalog, its references, and that each row's file exists. Nothing is changed."""
    path = workspace.manifests / "btfer.sqlite"
    if not path.is_file():
        raise BtferError(f"{path} is missing; restore it with: btfer catalog restore BACKUP")
    found = CatalogCheck(str(path), problems_of(path))
    if found.problems:
        return found
    catalog = workspace.catalog
    for area in AREAS:
        owned, named = area.owned(catalog), set()
        by_id = area.name.groups > 0
        for file in files_below(workspace.files, area.folder):
            if match := area.name.fullmatch(file):
                named.add(match[1] if by_id else file)
        if unowned := named - owned:
            found.unowned[area.folder] = len(unowned)
        if not by_id and (missing := owned - named):  # a thumbnail is made when it is asked for
            gone = [file for file in missing if not (workspace.files / file).is_file()]  # of other names
            if gone:
                found.missing[area.folder] = len(gone)
                found.problems.append(f"{clause(len(gone), 'file', 'are')} missing, such as {min(gone)}")
    found.unfinished.extend(intention.path for intention in intentions(catalog))
    return found


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore brought: decisions added, tombstones kept, and images that these take out of the backup again."""

    path: str
    decisions: int
    tombstones: int
    erased: int
    replaced: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return the form of `btfer catalog restore --json`."""
        return asdict(self)


def restore_catalog(workspace: Workspace, backup: Path | None, decisions: Path | None = None) -> Restored:
    """Put a backup in the place of the catalog, and add what it lacks of decisions and tombstones.

    Decisions are taken from the present catalog, if it can be read, and from their CSV view; tombstones from the
    present catalog, so that nobody who was taken down comes back with a backup. The present catalog is kept among the
    backups.

    Parameters
    ----------
    workspace
        The workspace; no other command may run in it.
    backup
        The backup; None leaves the present catalog and only adds decisions.
    decisions
        The table of decisions; by default `manifests/decisions.csv`, if it exists.

    Raises
    ------
    BtferError
        If the backup is damaged, a decision of the table is another one in the backup, or another command is running.
        Then nothing is changed.
    """
    path = workspace.manifests / "btfer.sqlite"
    view = workspace.manifests / "decisions.csv"
    table = decisions or (view if view.is_file() else None)
    if backup is not None and (
        problems := problems_of(backup) if backup.is_file() else ["there is no such file"]
    ):
        raise BtferError(f"{backup} cannot be restored: {problems[0]}. Nothing was changed")
    with ExitStack() as locks:
        for stage in STAGES:
            locks.enter_context(workspace.stage(stage))
        building = path.with_name(".restored.sqlite")
        source = backup or (path if path.is_file() else None)
        _delete_database(building)
        try:
            if source is not None:
                with closing(sqlite3.connect(source)) as db:
                    copy_catalog(db, building)
            catalog = Catalog(building)
            tombstones = _take_over(catalog, path) if backup is not None else 0
            added = 0
            if table is not None:
                with catalog.transaction() as db:
                    added = add_missing_decisions(db, read_decisions(table))
            erased = erase_taken_down_again(catalog)
            catalog.empty_log()
            catalog.connection.close()
            if source is None:
                _put_views_away(workspace, view)
            replaced = _put_away(workspace, path)
            building.replace(path)
        finally:
            _delete_database(building)
        fresh = Workspace(workspace.root)
        rewrite_manifests(fresh)
    return Restored(str(path), added, tombstones, erased, None if replaced is None else str(replaced))


def _take_over(catalog: Catalog, present: Path) -> int:
    """Add what the present catalog has of tombstones and decisions, if it can be read; return how many tombstones."""
    if not present.is_file() or problems_of(present):
        return 0
    with closing(Catalog(present).connection) as other, catalog.transaction() as ours:
        add_missing_decisions(ours, (dict(row) for row in other.execute("SELECT * FROM decisions")))
        add_missing_purged(ours, other)
        return add_missing_tombstones(ours, other)


def _put_away(workspace: Workspace, path: Path) -> Path | None:
    """Keep the present catalog among the backups, as it is if it is damaged, and return where."""
    if not path.is_file() or not path.stat().st_size:
        _delete_database(path)
        return None
    if problems_of(path):
        workspace.backups.mkdir(exist_ok=True)
        kept = workspace.backups / f"damaged-{datetime.now(UTC):%Y%m%dT%H%M%S}.sqlite"
        path.replace(kept)
    else:
        with closing(sqlite3.connect(path)) as db:
            kept = back_up(db, workspace.backups)
    _delete_database(path, but=path)
    return kept


def _put_views_away(workspace: Workspace, decisions: Path) -> None:
    """Move the views of a lost catalog to the backups: the new one has none of their rows, and would replace them."""
    for path in workspace.manifests.glob("*.csv"):
        if path != decisions:
            workspace.backups.mkdir(exist_ok=True)
            path.replace(workspace.backups / path.name)


def _delete_database(path: Path, but: Path | None = None) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        file = path.with_name(path.name + suffix)
        if file != but:
            file.unlink(missing_ok=True)
