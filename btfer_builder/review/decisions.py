"""Decisions as a table: written out for people, and read back with every row checked before one is kept."""

import csv
import getpass
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast, get_args

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.review import add_decisions, current_decisions, item_path, review_items
from btfer_builder.config import ReviewRecipe
from btfer_builder.errors import BtferError
from btfer_builder.io.csv import unescape_cell, write_csv
from btfer_builder.labels import Emotion, parse_emotion
from btfer_builder.reasons import REVIEW_REASONS
from btfer_builder.records import Decision, Kind, Verdict
from btfer_builder.review.assignment import items_for

COLUMNS = ("item_id", "kind", "emotion", "verdict", "reason", "reviewer")

#: Columns that a table to be imported may leave out.
OPTIONAL = frozenset({"emotion", "reason", "reviewer"})

#: What a reviewer may say; `undo` is not said of an item but of a decision.
VERDICTS: tuple[Verdict, ...] = ("accept", "reject", "skip")

#: Problems told of a table that is refused; the rest is counted.
PROBLEMS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What importing did: rows that became decisions, that said nothing new, and that had no verdict."""

    added: int
    unchanged: int
    empty: int


def reviewer_name(recipe: ReviewRecipe) -> str:
    """Return who signs the decisions: the recipe's reviewer, or the user of this computer.

    Raises
    ------
    BtferError
        If the name cannot stand in a table.
    """
    if recipe.reviewer.strip():
        return check_reviewer(recipe.reviewer)
    try:
        return check_reviewer(getpass.getuser())
    except (KeyError, OSError):
        raise BtferError(
            "this computer does not say who you are: name the reviewer with --reviewer"
        ) from None


def check_reviewer(name: str) -> str:
    """Return a reviewer's name without the space around it.

    Raises
    ------
    BtferError
        If it is empty, longer than 80 characters, or holds line breaks or other control characters.
    """
    name = name.strip()
    if not name or len(name) > 80 or not name.isprintable():
        raise BtferError(f"{name[:80]!r} is no reviewer's name; expected 1 to 80 printable characters")
    return name


def complete(decision: Decision, proposed: Emotion | None) -> Decision:
    """Return a decision with what follows from its verdict.

    An acceptance without a label takes the proposed one (none, for an item found under two emotions: it stays
    a conflict). A rejection has a reason, `other` if none is given, and no label; a skip has neither.
    """
    if decision.verdict == "accept":
        return replace(decision, emotion=decision.emotion or proposed, reason=None)
    if decision.verdict == "reject":
        return replace(decision, emotion=None, reason=decision.reason or "other")
    return replace(decision, emotion=None, reason=None)


def export_decisions(
    catalog: Catalog, path: Path, *, kinds: Sequence[Kind], reviewer: str, recipe: ReviewRecipe | None = None
) -> int:
    """Write this reviewer's items of the rounds with what was said of them as a CSV file; return their number.

    Parameters
    ----------
    catalog
        The catalog.
    path
        The file; it is replaced all at once.
    kinds
        The rounds, in the order they are written.
    reviewer
        Whose items and words.
    recipe
        Whether blind, and who shares the work; without one, the defaults.

    Notes
    -----
    `emotion` is this reviewer's label, or the proposed one; it is empty for an item found under two emotions
    that this reviewer gave no label, and for those who review blind. `verdict`, `reason` and `reviewer` are
    empty where nothing is decided, so that whoever fills them in signs them.

    Raises
    ------
    BtferError
        If the file cannot be written.
    """
    return write_csv(path, COLUMNS, _export_rows(catalog, kinds, reviewer, recipe or ReviewRecipe()))


def _export_rows(
    catalog: Catalog, kinds: Sequence[Kind], reviewer: str, recipe: ReviewRecipe
) -> Iterator[dict[str, object]]:
    for kind in kinds:
        words = current_decisions(catalog, kind, reviewer)
        for item in items_for(catalog, kind, reviewer, recipe):
            proposed = None if recipe.blind else item.proposed
            row: dict[str, object] = {"item_id": item.item_id, "kind": kind, "emotion": proposed}
            row |= {"verdict": None, "reason": None, "reviewer": None}
            if word := words.get(item.item_id):
                said = word.decision
                row |= {"verdict": said.verdict, "reason": said.reason, "reviewer": said.reviewer}
                row["emotion"] = said.emotion or proposed
            yield row


def import_decisions(catalog: Catalog, path: Path, *, reviewer: str, blind: bool = False) -> ImportResult:
    """Append the decisions of a CSV file: all of them, or none if any row is wrong.

    Parameters
    ----------
    catalog
        The catalog.
    path
        A file as `export_decisions` writes it and as spreadsheets leave it: UTF-8 with or without BOM, commas,
        semicolons or tabs, columns in any order. Further columns are ignored; `emotion`, `reason` and
        `reviewer` may be missing. Rows without a verdict are ignored.
    reviewer
        Who signs the rows that name no reviewer.
    blind
        Nobody was proposed a label: an acceptance without one is wrong.

    Returns
    -------
    ImportResult
        How many rows were added, said what their reviewer says already, and had no verdict.

    Raises
    ------
    BtferError
        If the file cannot be read, or any row is wrong; the text lists the lines, and nothing was imported.
    """
    table = _read_table(path)
    checker = _Checker(catalog, check_reviewer(reviewer), blind)
    problems: list[str] = []
    said: dict[tuple[Kind, str, str], tuple[int, Decision]] = {}
    empty = repeated = 0
    for line, row in table:
        if not row.get("verdict"):
            empty += 1
            continue
        try:
            decision = checker.check(row)
            first, earlier = said.setdefault(
                (decision.kind, decision.item_id, decision.reviewer), (line, decision)
            )
            if earlier != decision:
                raise BtferError(f"says something else of {_short(decision.item_id)} than line {first}")
            repeated += first != line
        except BtferError as error:
            problems.append(f"line {line}: {error}")
    if problems:
        raise BtferError(_refusal(path, problems))
    news = [decision for _, decision in said.values() if not checker.is_said(decision)]
    add_decisions(catalog, news)
    return ImportResult(added=len(news), unchanged=len(said) - len(news) + repeated, empty=empty)


class _Checker:
    """Turns rows into decisions, reading of the catalog only what the rows speak of."""

    def __init__(self, catalog: Catalog, reviewer: str, blind: bool) -> None:
        self.catalog = catalog
        self.reviewer = reviewer
        self.blind = blind
        self._proposed: dict[Kind, dict[str, Emotion | None]] = {}
        self._words: dict[tuple[Kind, str], dict[str, Decision]] = {}

    def check(self, row: Mapping[str, str]) -> Decision:
        """Return the decision a row states, or raise a BtferError that says what is wrong with it."""
        kind = _one_of(row["kind"], "kind", get_args(Kind))
        verdict = _one_of(row["verdict"], "verdict", VERDICTS)
        emotion = parse_emotion(row["emotion"]) if row.get("emotion") else None
        reason = _one_of(row["reason"], "reason", REVIEW_REASONS) if row.get("reason") else None
        reviewer = check_reviewer(row["reviewer"]) if row.get("reviewer") else self.reviewer
        kind, verdict = cast(Kind, kind), cast(Verdict, verdict)
        if self.blind and verdict == "accept" and emotion is None:
            raise BtferError("an acceptance names no emotion; who reviews blind is proposed none")
        item_id = row["item_id"].lower()
        proposed = self._proposal(kind, item_id)
        return complete(Decision(item_id, kind, verdict, emotion, reason, reviewer), proposed)

    def is_said(self, decision: Decision) -> bool:
        """Whether the decision is what its reviewer says of the item already."""
        key = (decision.kind, decision.reviewer)
        if key not in self._words:
            words = current_decisions(self.catalog, *key)
            self._words[key] = {item_id: word.decision for item_id, word in words.items()}
        return self._words[key].get(decision.item_id) == decision

    def _proposal(self, kind: Kind, item_id: str) -> Emotion | None:
        if kind not in self._proposed:
            self._proposed[kind] = {item.item_id: item.proposed for item in review_items(self.catalog, kind)}
        if item_id in self._proposed[kind]:
            return self._proposed[kind][item_id]
        # A face whose photo was rejected after the export is in no round, but it is no stranger.
        if not item_id or item_path(self.catalog, kind, item_id) is None:
            raise BtferError(f"no {kind} {_short(item_id)!r} in this workspace")
        return None


def _read_table(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (number of the line a row begins on, cells by column); blank lines are left out."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise BtferError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BtferError(f"{path}: is not UTF-8; in a spreadsheet, save it as “CSV UTF-8”") from None
    # A spreadsheet of a language with decimal commas writes semicolons.
    header = text.partition("\n")[0]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count))
    try:
        columns = [name.strip().lower() for name in next(rows, [])]
        missing = [name for name in COLUMNS if name not in columns and name not in OPTIONAL]
        if missing:
            raise BtferError(
                f"{path}: the first line names no column {', '.join(missing)}; expected {', '.join(COLUMNS)}"
            )
        twice = [name for name in COLUMNS if columns.count(name) > 1]
        if twice:
            raise BtferError(f"{path}: the first line names {', '.join(twice)} twice")
        line = rows.line_num + 1
        for cells in rows:
            row = {
                name: unescape_cell(cell).strip()
                for name, cell in zip(columns, cells, strict=False)
                if name in COLUMNS
            }
            if any(row.values()):
                yield line, {name: row.get(name, "") for name in columns}
            line = rows.line_num + 1
    except csv.Error as error:
        raise BtferError(f"{path}: line {rows.line_num}: not a CSV file: {error}") from None


def _one_of(word: str, what: str, allowed: Sequence[str]) -> str:
    if word.lower() not in allowed:
        raise BtferError(f"{word!r} is no {what}; expected one of {', '.join(allowed)}")
    return word.lower()


def _short(item_id: str) -> str:
    return item_id if len(item_id) <= 16 else f"{item_id[:16]}…"


def _refusal(path: Path, problems: Sequence[str]) -> str:
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    lines = [f"{path}: {count}, nothing was imported", *problems[:PROBLEMS_SHOWN]]
    if len(problems) > PROBLEMS_SHOWN:
        lines.append(f"and {len(problems) - PROBLEMS_SHOWN} more")
    return "\n  ".join(lines)
