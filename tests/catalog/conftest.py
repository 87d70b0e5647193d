"""Collect every statement that the package sends to a catalog while the tests of this folder run."""

import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from btfer_builder.catalog import Catalog
from btfer_builder.catalog import catalog as catalog_module

PACKAGE = str(Path(catalog_module.__file__).parents[1])

#: The statements, their values filled in.
STATEMENTS: set[str] = set()


def pytest_collection_modifyitems(items):
    """Put the test that reads the statements behind those that send them."""
    items.sort(
        key=lambda item: item.name == "test_no_statement_of_the_catalog_tests_scans_a_table_within_a_loop"
    )


@pytest.fixture(autouse=True)
def _trace_statements(monkeypatch):
    connect = sqlite3.connect

    def traced(*arguments, **options):
        connection = connect(*arguments, **options)
        connection.set_trace_callback(_collect)
        return connection

    monkeypatch.setattr(catalog_module.sqlite3, "connect", traced)


def _collect(statement: str) -> None:
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename == catalog_module.__file__:
        frame = frame.f_back  # the caller that asked for rows or a value
    if frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
        STATEMENTS.add(statement)


def tables_read(catalog: Catalog, ask: Callable[[], object]) -> set[str]:
    """Ask something, and return the tables that this reads, also through views."""
    read: set[str] = set()

    def note(action: int, table: str | None, *_: object) -> int:
        if action == sqlite3.SQLITE_READ and table:
            read.add(table)
        return sqlite3.SQLITE_OK

    catalog.connection.set_authorizer(note)
    ask()
    catalog.connection.set_authorizer(None)
    return read & {row[0] for row in catalog.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}


def touch(catalog: Catalog, table: str) -> None:
    """Write each row of a table again as it is."""
    column = catalog.rows(f"PRAGMA table_info({table})")[0]["name"]
    catalog.connection.execute(f"UPDATE {table} SET {column} = {column}")
