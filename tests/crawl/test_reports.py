"""What a person sees of a crawl: one line while it runs, what engines still say, and which phrases work."""

import json
import sys

import pytest
from click.testing import CliRunner

from btfer_builder.catalog.review import add_decisions
from btfer_builder.catalog.search_yield import yields
from btfer_builder.cli.main import main
from btfer_builder.io.terminal import StatusLine
from btfer_builder.records import Decision
from tests.factories import fill_catalog


def run(workspace, *arguments: str):
    return CliRunner().invoke(main, [arguments[0], "-w", str(workspace.root), *arguments[1:]])


@pytest.fixture
def check(web, workspace, monkeypatch):
    """Return a function that checks some engines, all of them served here."""
    monkeypatch.setenv("FLICKR_API_KEY", "geheim")

    def ask(*names: str, json_too: bool = False):
        options = [f"--engine={name}" for name in names]
        options += [f"--engine-url={name}={url}" for name, url in web.engine_url(*names).items()]
        return run(workspace, "crawl", "--check", *options, *(["--json"] if json_too else []))

    return ask


ALL = ("openverse", "wikimedia", "flickr", "bing", "google", "baidu")


def test_engines_that_answer_as_they_should(web, workspace, check):
    web.results["smiling face"] = [f"/{n}.jpg" for n in range(250)]
    done = check(*ALL, json_too=True)
    assert done.exit_code == 0, done.output
    found = {each["engine"]: each for each in json.loads(done.stdout)["engines"]}
    assert list(found) == list(ALL)
    assert all(
        each["ok"] and each["results"] >= 20 and each["complete"] == each["results"]
        for each in found.values()
    )
    assert {name for name, each in found.items() if each["licensed"]} == {"openverse", "wikimedia", "flickr"}
    assert len(web.searched) == len(ALL), "one page each"
    assert web.files_asked == 0
    assert workspace.catalog.value("SELECT count(*) FROM searches") == 0


def test_an_engine_that_changed_its_form_is_named(web, check):
    web.results["smiling face"] = [f"/{n}.jpg" for n in range(30)]
    web.engine_fault = {None: "form"}
    done = check("openverse", "bing")
    assert done.exit_code == 1
    assert "bing: no result could be parsed" in done.stderr
    assert "openverse:" not in done.stderr
    assert [line.split()[:2] for line in done.stdout.splitlines() if line[:4] in {"open", "bing"}] == [
        ["openverse", "yes"], ["bing", "no"],
    ]  # fmt: skip


def test_an_engine_that_finds_nothing_for_what_everybody_has_is_not_all_right(web, check):
    done = check("openverse")
    assert done.exit_code == 1
    assert "nothing found for 'smiling face'" in done.stderr


def test_what_every_search_brought(web, workspace, run_crawl):
    web.results |= {"q": ["/a.jpg", "/b.jpg", "/404", "/c.jpg"], "r": ["/a.jpg", "/d.jpg"]}
    run_crawl(("q", "happy"), ("r", "sad"))
    by = {
        (line.by, line.value): (line.found, line.fetched, line.kept, line.accepted)
        for line in yields(workspace.catalog)
    }
    assert by == {
        ("engine", "bing"): (6, 5, 4, 0),
        ("language", "en"): (6, 5, 4, 0),
        ("expression", "happy happy en"): (4, 3, 3, 0),
        ("expression", "sad sad en"): (2, 2, 1, 0),
        ("cell", "happy latino female adult"): (4, 3, 3, 0),
        ("cell", "sad latino female adult"): (2, 2, 1, 0),
    }


def test_accepted_faces_count_for_the_search_that_found_them_first(workspace):
    filled = fill_catalog(workspace, ("happy", "sad"), 4, conflicts=1)
    faces = [*filled.faces["happy"][:3], filled.faces["sad"][0]]
    add_decisions(
        workspace.catalog, [Decision(face, "face", "accept", "happy", reviewer="ana") for face in faces]
    )
    add_decisions(
        workspace.catalog,
        [Decision(filled.faces["sad"][1], "face", "reject", reason="other", reviewer="ana")],
    )
    cells = {line.value.split()[0]: line for line in yields(workspace.catalog) if line.by == "cell"}
    assert {emotion: (line.found, line.kept, line.accepted) for emotion, line in cells.items()} == {
        "happy": (5, 4, 3), "sad": (5, 4, 1),
    }  # fmt: skip


def test_the_yield_is_shown_and_told_to_programs(web, workspace, run_crawl):
    web.results["q"] = ["/a.jpg", "/404"]
    run_crawl("q")
    told = json.loads(run(workspace, "status", "--yield", "--json").stdout)
    assert told["yield"][0] == {
        "by": "engine",
        "value": "bing",
        "found": 2,
        "fetched": 1,
        "kept": 1,
        "accepted": 0,
        "requests": 1,
        "accepted_per_request": 0.0,
    }
    shown = run(workspace, "status", "--yield").stdout
    for words in ("by engine", "by language", "by expression", "by cell", "happy latino female adult"):
        assert words in shown
    assert "funnel" not in shown


def test_an_empty_workspace_has_an_empty_yield(workspace):
    assert yields(workspace.catalog) == []
    assert run(workspace, "status", "--yield").exit_code == 0


def test_a_log_file_gets_whole_lines_now_and_then(capsys):
    with StatusLine(every=0) as line:
        line.show("1 file")
        line.show("1 file")
        line.show("2 files")
    with StatusLine(every=60) as line:
        for number in range(50):
            line.show(f"{number} files")
    with StatusLine():
        pass
    assert capsys.readouterr().err == "1 file\n2 files\n49 files\n"


def test_a_terminal_gets_one_line_that_changes(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with StatusLine() as line:
        for number in range(50):
            line.show(f"{number} files")
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert "49 files" in shown.rpartition("\r")[2]


def test_a_crawl_tells_searches_and_files_on_one_line(web, run_crawl, capfd):
    web.results["q"] = ["/a.jpg", "/404"]
    run_crawl("q", engine=("openverse",), engine_url=web.engine_url("openverse"))
    err = capfd.readouterr().err
    assert err == "crawl: 1/1 searches, 2/2 files, 1 image\n"
