"""A workspace: its settings, its catalog and files, its sample, its backups."""

from collections.abc import Iterator

from btfer_builder.doctor.findings import Finding
from btfer_builder.errors import BtferError, line_of
from btfer_builder.io.locks import try_lock
from btfer_builder.io.text import counted
from btfer_builder.next_step import next_step
from btfer_builder.queries.phrases import read_vocabulary
from btfer_builder.reconcile import AREAS, STAGES
from btfer_builder.recovery import check_catalog
from btfer_builder.sample.stale import stale_line
from btfer_builder.workspace import Workspace

#: How the missing files of a folder come back. A photo may be gone from the page that it came from.
_AGAIN = {
    "data/images": "copy them back from a copy of data/: btfer does not download a photo again",
    "data/faces": "btfer crop",
    "data/sample": "btfer sample",
}


def workspace_findings(workspace: Workspace) -> Iterator[Finding]:
    """Check a workspace whose settings are valid; nothing is deleted."""
    try:
        catalog = workspace.catalog  # of a new workspace it is created
        check = check_catalog(workspace)
    except Exception as error:
        if (line := line_of(error)) is None:
            raise
        yield Finding(
            "catalog", "problem", line, "btfer catalog restore --help" if "restore" not in line else ""
        )
        return
    if check.missing:
        yield Finding("catalog", "ok", f"{check.path} is sound")
        for folder, problem in zip(check.missing, check.problems, strict=True):
            yield Finding("files", "problem", problem, _AGAIN[folder])
    elif check.problems:
        for problem in check.problems:
            yield Finding("catalog", "problem", problem, "btfer catalog restore BACKUP")
    else:
        yield Finding("catalog", "ok", f"{check.path} is sound, and the files of its rows exist")
    running = [stage for stage in STAGES if _is_running(workspace, stage)]
    if running:
        yield Finding("commands", "note", f"another btfer {running[0]} is running here", "wait until it ends")
    deletes = {area.folder: area.stage for area in AREAS}
    for folder, count in check.unowned.items():
        found = f"{counted(count, 'file')} in {folder} without a row, left by a killed command"
        yield Finding("orphans", "note", found, f"the next btfer {deletes[folder]} deletes them")
    for path in () if running else check.unfinished:
        yield Finding(
            "orphans",
            "note",
            f"a command was cut off while it wrote {path}",
            "run it again; it deletes what was left",
        )
    if stale := stale_line(catalog):
        yield Finding("sample", "problem", stale.partition(";")[0], "btfer sample")
    yield _backups(workspace)
    step = next_step(workspace)
    yield Finding("next step", "ok", step.sentence, step.command)


def _is_running(workspace: Workspace, stage: str) -> bool:
    path = workspace.lock_path(stage)
    if not path.exists():
        return False
    lock = try_lock(path)
    if lock is not None:
        lock.release()
    return lock is None


def _backups(workspace: Workspace) -> Finding:
    copies = sorted(workspace.backups.glob("btfer-*Z.sqlite"))
    if copies:
        return Finding("backups", "ok", f"{len(copies)}, the last is {copies[-1].name}")
    if not workspace.catalog.value("SELECT EXISTS (SELECT 1 FROM decisions)"):
        return Finding("backups", "ok", "none; there are no decisions to lose yet")
    return Finding("backups", "note", "none, and there are decisions", "btfer catalog backup")


def words_finding(workspace: Workspace) -> Finding:
    """Read the words of the search phrases, each language of `queries/`."""
    files = sorted((workspace.root / "queries").glob("*.yaml"))
    for file in files:
        try:
            read_vocabulary(file)
        except BtferError as error:
            return Finding(
                "queries", "problem", str(error), "correct the file; btfer init NEW writes a new one"
            )
    if not files:
        return Finding("queries", "note", "queries/ has no language", "btfer init writes the languages again")
    return Finding("queries", "ok", ", ".join(file.stem for file in files))


def settings_finding(workspace: Workspace) -> Finding:
    """Read the settings of a workspace."""
    try:
        _ = workspace.recipe
    except BtferError as error:
        return Finding(
            "settings", "problem", str(error), "correct the line; btfer init NEW writes all settings"
        )
    return Finding("settings", "ok", f"{workspace.root / 'btfer.toml'} is valid")
