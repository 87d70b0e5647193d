"""Collect every statement that the package sends to a catalog while the tests of this folder run."""

import sqlite3
import sys
from pathlib import Path

import pytest

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
