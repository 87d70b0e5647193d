"""Understand ids that a spreadsheet took for numbers: `7626120427075190` became `7.62612E+15`."""

import re
from collections.abc import Iterable
from decimal import Decimal

#: Ids that a spreadsheet takes for a number; versions before 0.2 gave one in 800 faces such an id.
_ID = re.compile(r"\d+(e\d{1,3})?")
#: A number as spreadsheets write it, with a point or a comma.
_CELL = re.compile(r"(\d+)(?:[.,](\d+))?(e[+-]?\d{1,3})?")
#: Digits that a spreadsheet keeps of a number.
_PRECISION = 15


def matching_ids(cell: str, ids: Iterable[str]) -> list[str]:
    """Return the ids that a spreadsheet may have written as this cell, without regard to case."""
    number = _CELL.fullmatch(cell.strip().lower())
    if number is None:
        return []
    whole, fraction, exponent = number.groups()
    digits = (whole + (fraction or "")).lstrip("0")
    if not digits:
        return []
    value = Decimal(f"{whole}.{fraction or '0'}{exponent or ''}")
    # Less than one unit of the last digit that was kept: not every spreadsheet rounds, some cut off.
    last = value.adjusted() - min(len(digits), _PRECISION) + 1
    tolerance = Decimal(1).scaleb(last)
    return [each for each in ids if _ID.fullmatch(each) and abs(Decimal(each) - value) < tolerance]
