"""The command line: quick, documented, and one clear line for a mistake."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from btfer_builder.cli.main import COMMANDS as COMMAND_TABLE
from btfer_builder.cli.main import main
from docs.make_commands import PAGE, commands_page

HEAVY = {
    "tensorflow", "keras", "pandas", "cv2", "numpy", "matplotlib", "sklearn", "PIL", "httpx", "starlette",
}  # fmt: skip


def every_command(group: click.Group, prefix: str = "") -> dict[str, click.Command]:
    """Return all commands by how they are called, those of groups too, the groups themselves not."""
    context = click.Context(group)
    found: dict[str, click.Command] = {}
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            found |= every_command(command, f"{prefix}{name} ")
        else:
            found[f"{prefix}{name}"] = command
    return found


COMMANDS = sorted(every_command(main))


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    run("init", str(tmp_path / "faces"))
    return tmp_path / "faces"


def run(*arguments: str, code: int = 0, **options) -> str:
    result = CliRunner().invoke(main, arguments, catch_exceptions=False, **options)
    assert result.exit_code == code, result.output
    return result.output if code else result.stdout


def test_help_imports_click_and_nothing_else():
    code = (
        "import sys; from btfer_builder.cli.main import main; main(['--help'], standalone_mode=False);"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = {name for name in done.stderr.split() if name.startswith("btfer_builder")}
    names_of_functions = {"btfer_builder.benchmark", "btfer_builder.evaluate"}  # which import nothing
    assert imported == {"btfer_builder", "btfer_builder.cli", "btfer_builder.cli.main"} | names_of_functions
    packages = {name.partition(".")[0] for name in done.stderr.split()} - sys.stdlib_module_names
    assert not packages & (HEAVY | {"msgspec", "yaml", "rich", "requests", "aiohttp"})


def test_the_commands_import_nothing_heavy_before_they_run():
    code = (
        "import sys; from btfer_builder.cli.main import COMMANDS, main;"
        "[main.get_command(None, name) for name in COMMANDS];"
        f"sys.exit(' '.join({HEAVY} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_networks_of_the_paper_are_listed_without_tensorflow():
    code = (
        "import sys; from btfer_builder.cli.main import main; main(['networks', '--json'], standalone_mode=False);"
        "sys.exit(' '.join({'tensorflow', 'keras'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["networks"]) > 60


@pytest.mark.parametrize("name", COMMAND_TABLE)
def test_the_list_of_commands_says_what_the_command_says(name):
    command = main.get_command(click.Context(main), name)
    assert command.name == name
    assert command.get_short_help_str(limit=100) == COMMAND_TABLE[name][2]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_and_every_option_a_meaning(name):
    command = every_command(main)[name]
    assert f"btfer {name}" in (command.help or "") or name == "status", "no example"
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert [option.name for option in options if not option.help] == []
    assert {"directory", "as_json"} <= {option.name for option in options}, (
        "-w and --json are on every command"
    )


def test_the_page_of_commands_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == commands_page(), "run: make docs"


def test_queries_json_has_the_form_other_programs_rely_on(workspace):
    queries = json.loads(
        run("queries", "-w", str(workspace), "--language", "es", "--emotion", "sad", "--json")
    )
    keys = {"query", "language", "emotion", "query_ethnicity", "query_gender", "query_age"}
    assert {frozenset(query) for query in queries["queries"]} == {frozenset(keys)}
    assert {query["language"] for query in queries["queries"]} == {"es"}


def test_no_minors_leaves_out_toddlers_and_children(workspace):
    queries = json.loads(run("queries", "-w", str(workspace), "--no-minors", "--json"))["queries"]
    assert {query["query_age"] for query in queries} == {"adult", "middle-aged", "elderly"}


def test_the_workspace_is_found_through_the_environment(workspace):
    stages = json.loads(run("status", "--json", env={"BTFER_WORKSPACE": str(workspace)}))["stages"]
    assert [stage["stage"] for stage in stages] == [
        "crawl", "dedupe", "review-images", "crop", "dedupe-faces", "review-faces", "sample",
    ]  # fmt: skip
    assert all(stage["in"] == stage["kept"] == 0 == len(stage["dropped"]) for stage in stages)


#: What stands before the options of the commands that work in a workspace and cannot do without it.
ARGUMENTS = {"release": ["out"], "takedown": ["0" * 64], "purge": ["--keep", "sample"]}
#: Those that work anywhere.
ANYWHERE = {
    "init", "eval", "compare", "convert", "networks", "hashes", "leakage", "diff", "rebuild", "scan-release",
    "dataset import", "dataset audit", "dataset table", "benchmark", "train",
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ANYWHERE])
def test_a_folder_that_is_no_workspace_is_said_in_one_line(name, tmp_path):
    output = run(*name.split(), *ARGUMENTS.get(name, []), "-w", str(tmp_path), code=1)
    assert output.count("\n") == 1
    assert "btfer init" in output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("[crop]\nsize = 3", "crop.size"),
        ("[crop]\nsiz = 256", "crop: unknown setting `siz`; did you mean `size`?"),
        ("[corp]\nsize = 256", "unknown section or setting `corp`; did you mean `crop`?"),
        ("[crop]\nzzz = 256", "crop: unknown setting `zzz`"),
        ("[crop]\nfit = 'sqare'", "crop.fit: Invalid enum value 'sqare'; did you mean `square`?"),
        ("[crop]\nfit = 'x'", "crop.fit: Invalid enum value 'x'; choose from square, stretch"),
        (
            "[queries]\nemotion = ['hapy']",
            "queries.emotion[0]: Invalid enum value 'hapy'; did you mean `happy`?",
        ),
        (
            "[sample]\nsplits = { trian = 3 }",
            "sample.splits: Invalid enum value 'trian'; did you mean `train`?",
        ),
        ("[sample]\nper_class = 'many'", "sample.per_class"),
        ("[queries]\nemotion = ['joyful']", "queries.emotion"),
        ("[crop\nsize = 3", "not valid TOML"),
    ],
)
def test_a_wrong_recipe_is_said_in_one_line(workspace, recipe, message):
    (workspace / "btfer.toml").write_text(recipe)
    output = run("crop", "-w", str(workspace), code=1)
    assert output.count("\n") == 1
    assert message in output
    assert str(workspace / "btfer.toml") in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["crop", "--size", "3"], "--size"),
        (["crop", "--size", "big"], "--size"),
        (["crop", "--fit", "round"], "--fit"),
        (["crawl", "--engine-url", "bing"], "NAME=URL"),
        (["crawl", "--engine", "altavista"], "--engine"),
        (["crawl", "--per-query", "0"], "--per-query"),
        (["sample", "--per-class", "-1"], "--per-class"),
        (["eval"], "MODEL"),
        (["eval", "nowhere.keras"], "nowhere.keras"),
        (["frobnicate"], "frobnicate"),
    ],
)
def test_wrong_usage_exits_with_2_and_names_the_option(workspace, arguments, message):
    assert message in run(*arguments, code=2, env={"BTFER_WORKSPACE": str(workspace)})


def test_a_margin_that_leaves_no_face_is_refused(workspace):
    output = run("crop", "-w", str(workspace), "--size", "64", "--margin", "32", code=1)
    assert "crop.margin" in output


def test_eval_without_a_sample_says_what_to_do(workspace, tmp_path):
    model = tmp_path / "model.keras"
    model.write_bytes(b"")
    assert f"btfer -w {workspace} sample" in run("eval", str(model), "-w", str(workspace), code=1)


def test_init_completes_a_workspace_and_overwrites_nothing(workspace):
    (workspace / "btfer.toml").write_text("[sample]\nper_class = 5\n")
    (workspace / "queries" / "es.yaml").unlink()
    run("init", str(workspace))
    assert (workspace / "btfer.toml").read_text() == "[sample]\nper_class = 5\n"
    assert (workspace / "queries" / "es.yaml").is_file()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_init_in_a_forbidden_place_is_said_in_one_line(tmp_path):
    tmp_path.chmod(0o500)
    assert run("init", str(tmp_path / "faces"), code=1).count("\n") == 1


def test_json_is_the_only_thing_on_stdout(workspace):
    command = [sys.executable, "-m", "btfer_builder", "status", "--json", "-w", str(workspace)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["stages"][0]["stage"] == "crawl"
