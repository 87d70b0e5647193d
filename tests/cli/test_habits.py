"""Habits of the command line: where the workspace is named, slips, quiet and verbose output, completion."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from btfer_builder.cli.main import COMMANDS, main
from btfer_builder.workspace import create_workspace, recipe_of

#: A name that no resolver knows (RFC 6761).
NOWHERE = "engine.invalid"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return create_workspace(tmp_path / "faces").root


def run(*arguments: str, code: int = 0, **options):
    done = CliRunner().invoke(main, arguments, catch_exceptions=False, **options)
    assert done.exit_code == code, done.output
    return done


# --- The workspace ------------------------------------------------------------------------------------------


def test_the_workspace_is_named_before_or_after_the_command(workspace, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    after = run("queries", "-w", "faces", "--json").stdout
    assert run("-w", "faces", "queries", "--json").stdout == after
    assert (
        run("--workspace", "faces", "catalog", "check", code=1).stderr.count("btfer.sqlite is missing") == 1
    )
    assert "btfer.sqlite is missing" in run("catalog", "-w", "faces", "check", code=1).stderr
    other = create_workspace(tmp_path / "other").root
    assert (
        f"{Path('other') / 'manifests'}"
        in run("-w", "faces", "catalog", "-w", "other", "check", code=1).stderr
    )
    (other / "queries" / "en.yaml").unlink()
    assert run("-w", "other", "queries", "-w", "faces", "--json").stdout == after  # the nearer one


def test_init_of_a_workspace_says_that_it_is_one(workspace):
    (workspace / "queries" / "es.yaml").unlink()
    done = run("init", str(workspace))
    assert "is a workspace already; its files are kept, added: es.yaml" in done.stdout
    assert json.loads(run("init", str(workspace), "--json").stdout)["existed"] is True
    new = run("init", str(workspace.parent / "new"))
    assert "created workspace" in new.stdout
    assert "btfer -w " in new.stdout


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "doctor"])  # it lists what is wrong
def test_a_broken_recipe_is_named_by_every_command(name, workspace, monkeypatch):
    (workspace / "btfer.toml").write_text("[crop]\nkrop = 1\n")
    monkeypatch.chdir(workspace)
    arguments = {
        "init": ["."], "release": ["out"], "takedown": ["0" * 64], "purge": ["--keep", "sample"], "eval": ["/dev/null"],
        "convert": ["/dev/null", "--to", "onnx"], "hashes": [".", "--out", "x"], "leakage": ["--against", "."],
        "diff": [".", "."], "rebuild": ["."], "scan-release": ["."], "compare": ["."], "train": [".", "--out", "x"],
        "dataset": ["import", "ckplus", ".", "x"], "benchmark": ["btfer.toml"], "catalog": ["check"],
    }.get(name, [])  # fmt: skip
    done = CliRunner().invoke(main, [name, *arguments])
    assert (done.exit_code, done.output.count("\n")) == (1, 1), done.output
    assert "btfer.toml: crop: unknown setting `krop`; choose from detector, size" in done.output


# --- Slips --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["crwl"], "No such command 'crwl'; did you mean `crawl`? Choose from init, build, queries"),
        (["zzz"], "No such command 'zzz'; choose from init, build"),
        (["it's"], 'No such command "it\'s"; choose from init, build'),
        (["crop's"], 'No such command "crop\'s"; did you mean `crop`? Choose from init, build'),
        (
            ["catalog", "chek"],
            "No such command 'chek'; did you mean `check`? Choose from backup, check, restore",
        ),
        (
            ["crop", "--siz", "3"],
            "No such option: --siz; did you mean `--size`? Choose from --detector, --size",
        ),
        (
            ["--json", "status"],
            "No such option: --json; options of a command come after it: btfer COMMAND --json",
        ),
        (["dataset", "--json", "audit"], "options of a command come after it: btfer dataset COMMAND --json"),
        (["--quite", "status"], "No such option: --quite; did you mean `--quiet`?"),
        (["crawl", "--engine", "opnverse"], "Invalid value for '--engine': 'opnverse' is not one of "),
        (["crawl", "--engine", "opnverse"], "; did you mean `openverse`?"),
        (["crawl", "--engine", "x' is not one of 'bing"], "'bing\" is not one of 'baidu', 'bing', "),
        (["crawl", "--engine", "openverse's"], "; did you mean `openverse`?"),
        (
            ["sample", "--license", "cc1"],
            "--license: Invalid value 'cc1'; did you mean `cc0`? Choose from cc0, pdm",
        ),
        (
            ["sample", "--stratify", "query_gendr"],
            "did you mean `query_gender`? Choose from query_ethnicity, ",
        ),
        (["crop", "--size", "3"], "--size: Expected `int` >= 16"),
    ],
)
def test_a_slip_is_told_what_is_valid_and_what_is_nearest(workspace, arguments, message):
    error = run("-w", str(workspace), *arguments, code=2).stderr
    assert message in error
    assert "Invalid value: Invalid value" not in error


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("[crop]\nsiz = 3", "crop: unknown setting `siz`; did you mean `size`? Choose from detector, size, margin"),
        ("[crop]\nzzz = 3", "crop: unknown setting `zzz`; choose from detector, size"),
        ("[krop]\nsize = 3", "unknown section or setting `krop`; did you mean `crop`? Choose from storage"),
        ("crop = 3", "crop: Expected a section, as [crop], got `int`"),
        ("[crop]\nfit = 'sqare'", "crop.fit: Invalid enum value 'sqare'; did you mean `square`? Choose from square"),
        ("[sample]\nlicense = ['by', 'cc1']", "sample.license[1]: Invalid value 'cc1'; did you mean `cc0`? Choose"),
    ],
)  # fmt: skip
def test_a_slip_in_the_recipe_too(workspace, recipe, message):
    (workspace / "btfer.toml").write_text(recipe)
    error = run("-w", str(workspace), "status", code=1).stderr
    assert message in error
    assert error.count("\n") == 1


def test_a_recipe_is_read_however_an_editor_saved_it(workspace):
    recipe = workspace / "btfer.toml"
    text = recipe.read_text().replace("size = 256 ", "size = 96 ").replace('creator = ""', 'creator = "Zoë"')
    assert "size = 96 " in text
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        recipe.write_bytes(text.replace("\n", "\r\n").encode(encoding))
        settings = recipe_of(workspace)
        assert (settings.crop.size, settings.source.creator) == (96, "Zoë")
    recipe.write_bytes("# a\n[source]\ncreator = 'Zoë'\n".encode("latin-1"))
    assert "btfer.toml: not valid TOML: line 3 is not UTF-8; save the file as UTF-8\n" in (
        run("-w", str(workspace), "status", code=1).stderr
    )


@pytest.mark.parametrize("kind", ["folder", "dangling link", "pipe"])
def test_a_recipe_that_is_no_file_is_named(kind, workspace):
    recipe = workspace / "btfer.toml"
    recipe.unlink()
    {
        "folder": recipe.mkdir,
        "dangling link": lambda: recipe.symlink_to("gone"),
        "pipe": lambda: os.mkfifo(recipe),
    }[kind]()
    for arguments in (["-w", str(workspace), "status"], ["init", str(workspace)]):
        done = run(*arguments, code=1)
        assert done.stdout == ""
        assert done.stderr.startswith(f"Error: {recipe} is not a file; move it away")


def test_a_catalog_that_cannot_be_opened_is_not_called_damaged(workspace):
    catalog = workspace / "manifests/btfer.sqlite"
    catalog.symlink_to(workspace / "nowhere/btfer.sqlite")  # as in a folder that may not be written
    error = run("-w", str(workspace), "status", code=1).stderr
    assert "btfer.sqlite cannot be opened or made" in error
    assert "restore" not in error
    (workspace / "btfer.toml").unlink()
    assert run("init", str(workspace), code=1).stdout == ""  # nothing is claimed


def test_a_folder_near_a_workspace_names_it(workspace, monkeypatch):
    monkeypatch.chdir(workspace / "data")
    inside = run("status", code=1).stderr
    assert f"{workspace / 'data'} is not a workspace" in inside
    assert f"{workspace} is one: use btfer -w {workspace}, or create one with: btfer init" in inside
    monkeypatch.chdir(workspace.parent)
    assert f"{workspace} is one" in run("status", code=1).stderr
    run("init", "second")
    assert "is one" not in run("status", code=1).stderr  # which of the two is not known


def test_an_empty_name_makes_no_workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "expected the name of a folder" in run("init", "", code=2).stderr
    assert list(tmp_path.iterdir()) == []


# --- Offline, quiet, verbose --------------------------------------------------------------------------------


def test_offline_is_one_line_at_once(workspace, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    done = run("-w", str(workspace), "crawl", "--engine-url", f"openverse=http://{NOWHERE}/", code=1)
    assert done.stdout == ""
    assert done.stderr.startswith(f"Error: offline: {NOWHERE} cannot be reached. ")
    assert done.stderr.count("\n") == 1


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "btfer_builder", *arguments],
        capture_output=True, text=True, check=False, env=os.environ | environment,
    )  # fmt: skip


def test_quiet_shows_results_and_errors_only(workspace):
    where = ("-w", str(workspace))
    assert "Next: " not in run(*where, "-q", "status").stdout
    assert run("-q", "init", str(workspace.parent / "other")).stdout.count("\n") == 1
    assert run(*where, "queries", "--quiet").stderr == ""
    assert "2,100 queries" in run(*where, "queries").stderr
    assert "nothing to do" in run(*where, "--quiet", "crop", code=1).stderr
    assert "2,100 queries" in run(*where, "queries").stderr  # the next one is not quiet


def test_verbose_shows_versions_the_log_and_tracebacks(workspace):
    done = run("-v", "-w", str(workspace), "crop", code=1)
    assert done.stderr.startswith("btfer ")
    assert "Traceback (most recent call last)" in done.stderr
    (place,) = [line.removeprefix("log: ") for line in done.stderr.splitlines() if line.startswith("log: ")]
    assert "command: crop" in Path(place).read_text()
    assert done.stderr.splitlines()[-1].startswith("Error: crop: nothing to do")
    assert "Traceback" not in run("-w", str(workspace), "crop", code=1).stderr


def test_no_progress_bar_in_redirected_output():
    code = """
import sys
from btfer_builder.io import terminal
terminal.StatusLine.SECONDS = 0
with terminal.bar(3, "crop", "images") as progress:
    for _ in range(3):
        progress.update()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "crop: 3 of 3 images"
    assert not {"\r", "|", "%"} & set(done.stderr)


# --- Completion ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shell", "words", "expected"),
    [
        ("bash", {"COMP_WORDS": "btfer cr", "COMP_CWORD": "1"}, {"plain,crawl", "plain,crop"}),
        ("bash", {"COMP_WORDS": "btfer crop --fi", "COMP_CWORD": "2"}, {"plain,--fit"}),
        ("bash", {"COMP_WORDS": "btfer crop --fit s", "COMP_CWORD": "3"}, {"plain,square", "plain,stretch"}),
        ("zsh", {"COMP_WORDS": "btfer doc", "COMP_CWORD": "1"}, {"plain", "doctor", COMMANDS["doctor"][2]}),
        (
            "fish",
            {"COMP_WORDS": "btfer doc", "COMP_CWORD": "doc"},
            {"plain,doctor", COMMANDS["doctor"][2]},
        ),
    ],
)
def test_shells_complete_commands_options_and_values(shell, words, expected):
    done = command(_BTFER_COMPLETE=f"{shell}_complete", **words)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.replace("\t", "\n").splitlines()
    assert {line for line in printed if line} == expected or expected <= set(printed), done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_valid(shell, tmp_path):
    done = command(_BTFER_COMPLETE=f"{shell}_source")
    assert done.returncode == 0, done.stderr
    assert "_BTFER_COMPLETE" in done.stdout
    if shutil.which(shell):
        (tmp_path / "script").write_text(done.stdout)
        subprocess.run([shell, "-n", str(tmp_path / "script")], check=True)
