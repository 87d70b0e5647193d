"""Text from outside is read within limits: every reader ends in a value or in one line, in little memory."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btfer_builder.benchmark.grid import load_benchmark
from btfer_builder.benchmark.results import read_result
from btfer_builder.catalog import Catalog
from btfer_builder.config import load_recipe
from btfer_builder.crawl.engines.urls import read_urls
from btfer_builder.datasets.labelled_faces import read_metadata
from btfer_builder.datasets.readers import fer2013, rafdb
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.preprocessing.sidecar import read_sidecar
from btfer_builder.evaluate.report.read_report import read_report
from btfer_builder.io import limits
from btfer_builder.io.json import read_json
from btfer_builder.io.limits import MAX_DEPTH, check_depth, read_bytes, read_lines, read_text, read_toml
from btfer_builder.leakage.hash_manifest import read_hashes
from btfer_builder.queries.phrases import read_vocabulary
from btfer_builder.release.diff import faces_in
from btfer_builder.review.decisions import import_decisions
from btfer_builder.training.results import read_run


def _below(folder: Path, name: str, read):
    """Return a reader of a folder as one of the file `name` in it."""

    def reader(path: Path):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(path)
        return read(folder)

    return reader


@pytest.fixture
def readers(tmp_path):
    """Everything that reads text from outside, as functions of a file."""
    folder = tmp_path / "folder"
    folder.mkdir()
    catalog = Catalog(tmp_path / "btfer.sqlite")
    return {
        "recipe": load_recipe,
        "benchmark": load_benchmark,
        "sidecar": _below(folder, "model.btfer.toml", lambda at: read_sidecar(at / "model.keras")),
        "queries": read_vocabulary,
        "urls": lambda path: list(read_urls(path, ("sad",))),
        "hashes": read_hashes,
        "decisions": lambda path: import_decisions(catalog, path, reviewer="ana"),
        "fer2013": lambda path: list(fer2013.read(path)),
        "rafdb": _below(folder, rafdb.LISTS[0], lambda at: list(rafdb.read(at))),
        "metadata": _below(folder, "metadata.jsonl", read_metadata),
        "release": _below(folder, "release.json", faces_in),
        "report": _below(folder, "metrics.json", read_report),
        "run": _below(folder, "run.json", read_run),
        "result": _below(folder, "result.json", read_result),
    }


READERS = (
    "recipe", "benchmark", "sidecar", "queries", "urls", "hashes", "decisions", "fer2013", "rafdb", "metadata",
    "release", "report", "run", "result",
)  # fmt: skip
NESTED = {
    "toml": "x = " + "[" * 5000 + "]" * 5000,
    "dotted toml": ".".join("x" * 5000) + " = 1",
    "yaml or json": "[" * 5000 + "]" * 5000,
    "objects": '{"a":' * 5000 + "1" + "}" * 5000,
    "lists in yaml": "- " * 5000,
    "a number of 5,000 digits": "x = " + "9" * 5000,
}


@pytest.mark.parametrize("reader", READERS)
def test_a_device_a_pipe_and_a_folder_are_refused(readers, reader, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (Path("/dev/zero"), tmp_path / "pipe"):
        with pytest.raises(BtferError) as error:
            readers[reader](path)
        assert "\n" not in str(error.value)
    if reader != "fer2013":  # which looks into a folder
        (tmp_path / "somewhere").mkdir()
        with pytest.raises(BtferError):
            readers[reader](tmp_path / "somewhere")


@pytest.mark.parametrize("reader", READERS)
def test_deep_nesting_is_one_line(readers, reader, tmp_path):
    for text in NESTED.values():
        (tmp_path / "deep").write_text(text)
        with contextlib.suppress(BtferError):
            readers[reader](tmp_path / "deep")


#: Pieces of all four languages, joined at random.
TOKENS = (
    *'[]{}"=:,;#\n\r\t-&*|>!%@\'', "\0", "\ufeff", "é", "a", "url", "emotion", "happy", "<<", "&a", "*a", "1", "1e999",
    "nan", "[x]\n", "x = ", "'''", "null", "{}", "[]", "sep=;", "0x", "2020-99-99", "9" * 400,
)  # fmt: skip
tokens = st.lists(st.sampled_from(TOKENS), max_size=30).map("".join)


@settings(deadline=None, max_examples=80, suppress_health_check=["function_scoped_fixture"])
@given(st.one_of(tokens.map(lambda text: text.encode("utf-8", "replace")), st.binary(max_size=60)))
def test_any_bytes_end_in_a_value_or_an_error_of_ours(readers, tmp_path, content):
    (tmp_path / "any").write_bytes(content)
    for reader in READERS:
        with contextlib.suppress(BtferError):
            readers[reader](tmp_path / "any")


def test_an_alias_does_not_grow(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    (tmp_path / "en.yaml").write_text("\n".join(lines))
    with pytest.raises(BtferError, match="line 2: not valid YAML: aliases are not read"):
        read_vocabulary(tmp_path / "en.yaml")


def test_limits_are_exact(tmp_path, monkeypatch):
    path = tmp_path / "text"
    path.write_bytes(b"ab\r\ncd\ref")
    assert list(read_lines(path, max_line=4)) == ["ab\r\n", "cd\r", "ef"]
    with pytest.raises(BtferError, match="line 1: longer than 3 characters"):
        list(read_lines(path, max_line=3))
    assert read_bytes(path, 9) == b"ab\r\ncd\ref"
    with pytest.raises(BtferError, match="9 bytes, expected at most 8 bytes"):
        read_bytes(path, 8)
    with pytest.raises(BtferError, match="more than 8 bytes"):
        read_bytes(Path("/proc/self/status"), 8)  # its size is stated as 0
    path.write_bytes("\ufeffñ".encode())
    assert read_text(path) == "ñ"
    assert list(read_lines(path)) == ["ñ"]
    path.write_bytes("ñ\n".encode("utf-16"))
    assert list(read_lines(path)) == ["ñ\n"]
    deepest = value = []
    for _ in range(MAX_DEPTH - 1):
        value.append([])
        value = value[0]
    check_depth(deepest)
    value.append({})
    with pytest.raises(ValueError, match="nested more than 100 deep"):
        check_depth(deepest)
    monkeypatch.setattr(limits, "MAX_DEPTH", 1)
    path.write_text("a = [[1]]")
    with pytest.raises(ValueError, match="deep"):
        read_toml(path)
    path.write_text("[[[1]]]")
    with pytest.raises(ValueError, match="deep"):
        read_json(path)


def test_a_descriptor_is_not_left_open(tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    for path in (Path("/dev/zero"), tmp_path):
        with pytest.raises((BtferError, OSError)):
            read_bytes(path)
    assert len(os.listdir("/proc/self/fd")) == before


PROGRAM = """
import json, resource, sys
from click.testing import CliRunner
from btfer_builder.cli.main import main
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for arguments in json.load(sys.stdin):
    done = CliRunner().invoke(main, arguments)
    lines = done.stderr.strip().splitlines() or [""]
    print(done.exit_code, len(lines), lines[-1][:200])
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_hostile_inputs_take_one_line_and_little_memory(tmp_path):
    """A table without an end, a line of 100 MB and nested brackets, given to the commands."""
    from btfer_builder.io.json import json_text

    root = tmp_path / "faces"
    long, deep = tmp_path / "long.csv", tmp_path / "deep.toml"
    with long.open("wb") as file:
        file.truncate(100_000_000)
    urls = tmp_path / "urls.txt"
    urls.write_bytes(b"https://a.example/" + b"a" * 100_000_000)
    deep.write_text(NESTED["toml"])
    commands = [
        ["crawl", "--engine", "urls", "--emotion", "sad", "-w", str(root), "--path", str(path)]
        for path in ("/dev/zero", long, urls)
    ]
    commands += [["review", "-w", str(root), "--import", str(path)] for path in ("/dev/zero", long)]
    commands += [["leakage", "-w", str(root), "--against", str(path)] for path in ("/dev/zero", long)]
    commands += [["benchmark", str(deep)]]
    script = json_text([["init", str(root)], *commands])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], input=script, capture_output=True, text=True, check=True, timeout=60
    )
    *lines, megabytes = done.stdout.strip().splitlines()
    for line, command in zip(lines[1:], commands, strict=True):
        assert line.startswith("1 1 Error: "), (command, line)
    assert int(megabytes) < 150, done.stdout
