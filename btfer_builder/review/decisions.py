"""Decisions as CSV: export for a spreadsheet, and import after every row is checked."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast, get_args
from urllib.parse import quote

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.review import (
    ItemOrigin,
    add_decisions,
    current_decisions,
    item_origins,
    item_path,
    item_paths,
    review_items,
    reviewer_names,
)
from btfer_builder.config import ReviewRecipe
from btfer_builder.errors import BtferError
from btfer_builder.io.csv import as_mapping, read_csv, refuse_repeated, unescape_cell, write_csv
from btfer_builder.io.storage import Root
from btfer_builder.io.terminal import echo_stderr
from btfer_builder.labels import Emotion, emotion_of, parse_emotion
from btfer_builder.reasons import REASONS
from btfer_builder.records import Decision, Kind, Verdict
from btfer_builder.review.assignment import items_for
from btfer_builder.review.contact_sheet import page_name, pictured, write_contact_sheet
from btfer_builder.review.mangled_ids import matching_ids
from btfer_builder.review.reviewers import check_reviewer, known_as

COLUMNS = ("item_id", "kind", "emotion", "verdict", "reason", "reviewer")

#: What an export has besides: the item's file, its picture in the contact sheet, and what was searched for.
EXPORTED = (*COLUMNS, "path", "thumbnail", "query")

#: The columns of a table, and its rows, each with the number of the line where it begins.
Table = tuple[Sequence[str], Iterable[tuple[int, list[str]]]]

#: Columns that an imported file may omit.
OPTIONAL = frozenset({"emotion", "reason", "reviewer"})

#: The verdicts on an item; `undo` refers to a decision instead.
VERDICTS: tuple[Verdict, ...] = ("accept", "reject", "skip")

#: Items whose origin is looked up at a time.
_AT_ONCE = 5000

#: How many problems of a refused file are listed; the others are counted.
PROBLEMS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class ImportResult:
    """Counts of an import: rows added as decisions, rows already recorded, and rows without a verdict."""

    added: int
    unchanged: int
    empty: int


def complete(decision: Decision, proposed: Emotion | None) -> Decision:
    """Return a decision with the defaults of its verdict.

    An acceptance without a label takes the proposed one; an item found under two emotions has none and remains a
    conflict. A rejection has a reason (default: `other`) and no label; a skip has neither.
    """
    if decision.verdict == "accept":
        return replace(decision, emotion=decision.emotion or proposed, reason=None)
    if decision.verdict == "reject":
        return replace(decision, emotion=None, reason=decision.reason or "other")
    return replace(decision, emotion=None, reason=None)


def export_decisions(
    catalog: Catalog,
    path: Path,
    *,
    kinds: Sequence[Kind],
    reviewer: str,
    recipe: ReviewRecipe | None = None,
    files: Root | None = None,
) -> int:
    """Write a reviewer's items with their decisions to a CSV file; return the number of items.

    Parameters
    ----------
    catalog
        The catalog.
    path
        The file; it is replaced atomically.
    kinds
        The rounds, in the order they are written.
    reviewer
        The reviewer.
    recipe
        Settings of the review; defaults if None.
    files
        The workspace's files, of which a contact sheet is written beside the table; None for none.

    Notes
    -----
    `emotion` is this reviewer's label, or else the proposed one. It is empty in a blind review and for an item found
    under two emotions, unless this reviewer labelled the item. `verdict`, `reason` and `reviewer` are empty for
    undecided items, so that the reviewer who fills them in signs them. `query` is empty in a blind review, `thumbnail`
    for an item that is not in the contact sheet.

    Raises
    ------
    BtferError
        If the file cannot be written.
    """
    rows = list(decision_rows(catalog, kinds, reviewer, recipe or ReviewRecipe()))
    if files is not None:
        shown = pictured(rows)
        if len(shown) < len(rows):
            echo_stderr(
                f"contact sheet: the first {len(shown)} items without a decision; btfer review shows all"
            )
        for number, row in enumerate(shown):
            row["thumbnail"] = f"{quote(page_name(path, number))}#{row['item_id']}"
        write_contact_sheet(files, path, shown)
    return write_csv(path, EXPORTED, rows)


def decision_rows(
    catalog: Catalog, kinds: Sequence[Kind], reviewer: str, recipe: ReviewRecipe
) -> Iterator[dict[str, object]]:
    """Yield the rows of `export_decisions`."""
    for kind in kinds:
        decisions = current_decisions(catalog, kind, reviewer)
        paths = item_paths(catalog, kind)
        items = items_for(catalog, kind, reviewer, recipe)
        for start in range(0, len(items), _AT_ONCE):
            some = items[start : start + _AT_ONCE]
            origins = {} if recipe.blind else item_origins(catalog, kind, [item.item_id for item in some])
            for item in some:
                proposed = None if recipe.blind else item.proposed
                row: dict[str, object] = {"item_id": item.item_id, "kind": kind, "emotion": proposed}
                row |= {"verdict": None, "reason": None, "reviewer": None}
                row |= {
                    "path": paths.get(item.item_id, ""),
                    "thumbnail": "",
                    "query": "" if recipe.blind else origins.get(item.item_id, ItemOrigin()).query,
                }
                if current := decisions.get(item.item_id):
                    decision = current.decision
                    row |= {
                        "verdict": decision.verdict,
                        "reason": decision.reason,
                        "reviewer": decision.reviewer,
                    }
                    row["emotion"] = decision.emotion or proposed
                yield row


def import_decisions(
    catalog: Catalog, path: Path, *, reviewer: str, blind: bool = False, table: Table | None = None
) -> ImportResult:
    """Append the decisions of a CSV file: all of them, or none if any row is invalid.

    Parameters
    ----------
    catalog
        The catalog.
    path
        A file as written by `export_decisions` or saved by a spreadsheet: UTF-8 with or without BOM; commas, semicolons
        or tabs; columns in any order. Other columns are ignored; `emotion`, `reason` and `reviewer` are optional.
        Rows without a verdict are ignored.
    reviewer
        The name that signs the rows without a reviewer.
    blind
        No label was proposed, so an acceptance without one is invalid.
    table
        The columns and the rows with their numbers, if they are in memory.

    Returns
    -------
    ImportResult
        The number of rows added, already recorded, and without a verdict.

    Raises
    ------
    BtferError
        If the file cannot be read, or any row is invalid. The message lists the lines; nothing is imported.
    """
    rows = _rows_of(path, _read(path) if table is None else table)
    checker = _Checker(catalog, check_reviewer(reviewer), blind)
    problems: list[str] = []
    decisions: dict[tuple[Kind, str, str], tuple[int, Decision]] = {}
    empty = repeated = 0
    for line, row in rows:
        if not row.get("verdict"):
            empty += 1
            continue
        try:
            decision = checker.check(row)
            first, earlier = decisions.setdefault(
                (decision.kind, decision.item_id, decision.reviewer), (line, decision)
            )
            if earlier != decision:
                raise BtferError(f"contradicts line {first} on {_short(decision.item_id)}")
            repeated += first != line
        except BtferError as error:
            problems.append(f"line {line}: {error}")
    if problems:
        raise BtferError(_refusal(path, problems))
    new = [decision for _, decision in decisions.values() if not checker.is_current(decision)]
    add_decisions(catalog, new)
    return ImportResult(added=len(new), unchanged=len(decisions) - len(new) + repeated, empty=empty)


class _Checker:
    """Turns rows into decisions; reads only those rounds and reviewers from the catalog that occur in the rows."""

    def __init__(self, catalog: Catalog, reviewer: str, blind: bool) -> None:
        self.catalog = catalog
        self.reviewer = reviewer
        self.blind = blind
        self._known = reviewer_names(catalog)
        self._names: dict[str, str] = {}
        self._proposed: dict[Kind, dict[str, Emotion | None]] = {}
        self._current: dict[tuple[Kind, str], dict[str, Decision]] = {}

    def check(self, row: Mapping[str, str]) -> Decision:
        """Return the decision of a row; raise a BtferError if the row is invalid."""
        kind = _one_of(row["kind"], "kind", get_args(Kind))
        verdict = _one_of(row["verdict"], "verdict", VERDICTS)
        emotion = parse_emotion(row["emotion"]) if row.get("emotion") else None
        reason = _one_of(row["reason"], "reason", REASONS["review"]) if row.get("reason") else None
        reviewer = self._known_as(row.get("reviewer") or self.reviewer)
        kind, verdict = cast(Kind, kind), cast(Verdict, verdict)
        if self.blind and verdict == "accept" and emotion is None:
            raise BtferError("an acceptance names no emotion; a blind review proposes none")
        item_id, proposed = self._find(kind, row["item_id"].lower())
        return complete(Decision(item_id, kind, verdict, emotion, reason, reviewer), proposed)

    def is_current(self, decision: Decision) -> bool:
        """Whether the decision is already its reviewer's current one."""
        key = (decision.kind, decision.reviewer)
        if key not in self._current:
            decisions = current_decisions(self.catalog, *key)
            self._current[key] = {item_id: current.decision for item_id, current in decisions.items()}
        return self._current[key].get(decision.item_id) == decision

    def _known_as(self, name: str) -> str:
        """Return the name under which the catalog, or an earlier row, knows a reviewer."""
        if name not in self._names:
            self._names[name] = known_as(name, self._known)
            self._known.append(self._names[name])
        return self._names[name]

    def _find(self, kind: Kind, item_id: str) -> tuple[str, Emotion | None]:
        """Return an item's id and its proposed label; the id may have been taken for a number by a spreadsheet."""
        if kind not in self._proposed:
            self._proposed[kind] = {item.item_id: item.proposed for item in review_items(self.catalog, kind)}
        items = self._proposed[kind]
        if item_id in items:
            return item_id, items[item_id]
        # A face whose photo was rejected after the export is in no round, but it exists.
        if item_id and item_path(self.catalog, kind, item_id) is not None:
            return item_id, None
        meant = matching_ids(item_id, items)
        if len(meant) > 1:
            raise BtferError(
                f"{_short(item_id)!r} is an id that a spreadsheet changed, and may be {' or '.join(meant[:3])}; "
                "format the column as text"
            )
        if not meant:
            raise BtferError(f"no {kind} {_short(item_id)!r} in this workspace")
        return meant[0], items[meant[0]]


def _read(path: Path) -> Table:
    try:
        return read_csv(path)
    except OSError as error:
        raise BtferError(f"{path}: cannot be read: {error.strerror}") from None


def _rows_of(path: Path, table: Table) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line number where the row begins, cells by column), without blank lines."""
    columns, rows = table
    missing = [name for name in COLUMNS if name not in columns and name not in OPTIONAL]
    if missing:
        raise BtferError(
            f"{path}: the header has no column {', '.join(missing)}; expected {', '.join(COLUMNS)}"
        )
    refuse_repeated(path, columns, COLUMNS)
    for line, cells in rows:
        row = {
            name: unescape_cell(cell).strip()
            for name, cell in as_mapping(columns, cells).items()
            if name in COLUMNS
        }
        if any(row.values()):
            yield line, {name: row.get(name, "") for name in columns}


def _one_of(value: str, column: str, allowed: Collection[str]) -> str:
    if value.lower() not in allowed:
        hint = (
            "; a label belongs into the column emotion" if column == "verdict" and emotion_of(value) else ""
        )
        raise BtferError(f"{value!r} is not a {column}; expected one of {', '.join(allowed)}{hint}")
    return value.lower()


def _short(item_id: str) -> str:
    return item_id if len(item_id) <= 16 else f"{item_id[:16]}…"


def _refusal(path: Path, problems: Sequence[str]) -> str:
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    lines = [f"{path}: {count}, nothing was imported", *problems[:PROBLEMS_SHOWN]]
    if len(problems) > PROBLEMS_SHOWN:
        lines.append(f"and {len(problems) - PROBLEMS_SHOWN} more")
    return "\n  ".join(lines)
