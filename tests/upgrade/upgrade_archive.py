"""The workspace that version 0.1.0 left behind: how it is packed and unpacked, and what is asked of it.

0.1.0 records some absolute paths: addresses of the `folder` engine, training sets of `btfer leakage`, where a
release was written, where a report's faces are. In the archive they begin with `HOME`, and `unpack` puts the folder
the workspace is unpacked to in its place, in the tables as in the files.
"""

import json
import lzma
import math
import sqlite3
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
ARCHIVE = HERE / "workspace_0_1_0.tar.xz"
#: What 0.1.0 answered to the commands below, asked of this archive.
ANSWERS = HERE / "workspace_0_1_0.json"
#: Where the workspace was, as far as the archive tells.
HOME = "/home/ana/faces"
#: The catalog of a workspace of 0.1.0.
CATALOG = Path("manifests/btfer.sqlite")
#: Files in which no path stands: relocating them would only break them.
BINARY = {".jpg", ".png", ".webp", ".gif", ".keras", ".npz", ".parquet", ".tar", ".sqlite"}
#: Time of every file in the archive.
TIME = 1_767_225_600


class Question(NamedTuple):
    """A command line whose JSON answer must stay what it was, and whether it needs TensorFlow."""

    arguments: tuple[str, ...]
    tensorflow: bool = False


#: Every command over the workspace, with options as 0.1 named them; none of them has anything left to do.
QUESTIONS: dict[str, Question] = {
    "init": Question(("init", ".")),
    "queries": Question(("queries",)),
    "status": Question(("status",)),
    "yield": Question(("status", "--yield")),
    "crawl": Question(("crawl",)),
    "crawl with flags": Question(("crawl", "--host-rate", "9", "--searches", "1", "--deadline", "3")),
    "crawl urls": Question(("crawl", "--engine", "urls", "--path", "list.csv")),
    "crawl folder": Question(("crawl", "--engine", "folder", "--path", "pictures")),
    "dedupe": Question(("dedupe",)),
    "crop": Question(("crop",)),
    "dedupe faces": Question(("dedupe", "--faces")),
    "import ana": Question(("review", "--import", "decisions-ana.csv")),
    "import bo": Question(("review", "--import", "decisions-bo.csv")),
    "agreement": Question(("agreement",)),
    "agreement images": Question(("agreement", "--round", "images")),
    "leakage": Question(("leakage",)),
    "leakage folder": Question(("leakage", "--against", "rival/train")),
    "leakage manifest": Question(("leakage", "--against", "rival.csv")),
    "sample": Question(("sample",)),
    "diff": Question(("diff", "releases/first", "releases/faces")),
    "scan": Question(("scan-release", "releases/faces")),
    "scan addresses": Question(("scan-release", "releases/addresses")),
    "takedown": Question(("takedown", "{sampled}", "--dry-run", "--why", "asked to")),
    "takedown again": Question(("takedown", "{taken down}", "--dry-run")),
    "recheck": Question(("recheck", "releases/faces", "--host-rate", "10", "--deadline", "3")),
    "compare": Question(("compare", "reports/own_layers", "reports/model")),
    "train": Question(("train", "sets/people", "--out", "runs/lenet5"), tensorflow=True),
    "train with flags": Question(
        (
            "train", "sets/people", "--out", "runs/lenet5", "--phase1-epochs", "1", "--phase2-epochs", "2",
            "--plateau-patience", "3", "--plateau-factor", "0.4", "--stop-patience", "5",
        ),
        tensorflow=True,
    ),
    "plan": Question(("benchmark", "--plan")),
    "benchmark": Question(("benchmark",)),
    "report": Question(("benchmark", "--report")),
    "questions": Question(("benchmark", "--questions")),
    "eval": Question(("eval", "models/own_layers.keras", "runs/lenet5/model.keras"), tensorflow=True),
    "eval release": Question(
        ("eval", "models/own_layers.keras", "--data", "releases/faces/test"), tensorflow=True
    ),
}  # fmt: skip

#: What differs between two machines or versions, what is prose, and settings, whose names may change.
PASSING = {
    "seconds",
    "versions",
    "version",
    "signature",
    "efficiency",
    "scoring",
    "recipe",
    "ended",
    "selection",
}
PASSING |= {"notes", "note", "answer", "question", "in_words", "why"}


def pack(workspace: Path) -> None:
    """Write a workspace into the archive: without locks, in a fixed order, as `HOME`."""
    for lock in workspace.rglob("*.lock"):
        lock.unlink()
    relocate(workspace, str(workspace), HOME)
    telling = [
        path
        for path in workspace.rglob("*")
        if path.is_file() and str(workspace).encode() in path.read_bytes()
    ]
    assert not telling, telling

    def anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mtime = TIME
        return member

    with lzma.open(ARCHIVE, "wb", preset=9) as file, tarfile.open(fileobj=file, mode="w") as archive:
        for path in sorted(workspace.rglob("*")):
            archive.add(path, str(path.relative_to(workspace)), recursive=False, filter=anonymous)


def unpack(folder: Path) -> None:
    """Unpack the archive into a folder as if the workspace had always been there."""
    with lzma.open(ARCHIVE) as file, tarfile.open(fileobj=file) as archive:
        archive.extractall(folder, filter="data")
    relocate(folder, HOME, str(folder))


def relocate(folder: Path, before: str, after: str) -> None:
    """Write another path in the place of one in all text files and in the catalog."""
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix not in BINARY:
            content = path.read_bytes()
            if before.encode() in content:
                path.write_bytes(content.replace(before.encode(), after.encode()))
    db = sqlite3.connect(folder / CATALOG)
    tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    for (table,) in tables.fetchall():
        for _, column, kind, *_ in db.execute(f"PRAGMA table_info({table})").fetchall():
            if kind == "TEXT":
                db.execute(
                    f"UPDATE {table} SET {column} = replace({column}, :before, :after) "
                    f"WHERE instr({column}, :before)",
                    {"before": before, "after": after},
                )
    db.commit()
    db.execute("VACUUM")  # what was replaced is still in the file's free pages
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def arguments_of(question: Question, names: dict[str, str]) -> list[str]:
    """Return a question's command line with the ids it asks for, and `--json`."""
    return [*(argument.format_map(names) for argument in question.arguments), "--json"]


def answer_of(output: str, home: Path) -> Any:
    """Return the JSON a command printed, as if the workspace were in `HOME`."""
    return json.loads(output.replace(str(home), HOME))


def differences(now: object, then: object, place: str = "") -> Iterator[str]:
    """Yield where an answer lacks, or says otherwise, what 0.1.0 answered. New members are no difference."""
    if isinstance(then, dict):
        if not isinstance(now, dict):
            yield f"{place}: {now!r} instead of {then!r}"
            return
        for name in then.keys() - PASSING:
            if name not in now:
                yield f"{place}.{name} is gone"
            else:
                yield from differences(now[name], then[name], f"{place}.{name}")
    elif isinstance(then, list) and then and isinstance(then[0], str):
        if missing := set(then) - set(now if isinstance(now, list) else ()):
            yield f"{place}: {now!r} lacks {missing}"
    elif isinstance(then, list):
        if not isinstance(now, list) or len(now) != len(then):
            yield f"{place}: {now!r} instead of {then!r}"
            return
        for number, (one, other) in enumerate(zip(now, then, strict=True)):
            yield from differences(one, other, f"{place}[{number}]")
    elif isinstance(then, float) and isinstance(now, int | float):
        # In sets this small, rounding decides which draws equal the score, and so shifts the bounds a little.
        tolerance = 1e-2 if "intervals" in place else 1e-4
        if not math.isclose(now, then, rel_tol=tolerance, abs_tol=1e-6):
            yield f"{place}: {now} instead of {then}"
    elif now != (None if isinstance(then, float) and math.isnan(then) else then):
        yield f"{place}: {now!r} instead of {then!r}"
