"""Every command in the documentation is one that btfer understands: command, options, arguments, choices."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from btfer_builder.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
#: What ends a command in a shell.
ENDS = {"&&", "||", ";", "|", ">", ">>", "<", "→"}


def blocks(text: str) -> Iterator[str]:
    """Yield the fenced blocks that may hold commands."""
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if language in {"", "sh", "bash"}:
            yield block.replace("\\\n", " ")


def commands(line: str) -> Iterator[list[str]]:
    """Yield the arguments of each call of btfer in a line of shell; further in, a help has sentences."""
    if line.startswith(" " * 12):
        return
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:
        return  # a sentence with an apostrophe
    call: list[str] | None = None
    for number, word in enumerate([*words, ";"]):
        if word in ENDS:
            if call is not None:
                yield call
            call = None
        elif call is not None:
            call.append(word)
        elif word == "btfer" and (number == 0 or words[number - 1] in ENDS):
            call = []


def fault(arguments: list[str]) -> str:
    """Parse a command line as btfer does, without running it; return what is wrong. Files need not exist."""
    try:
        parse([re.sub(r"\$\w+", "1", word) for word in arguments])
    except click.ClickException as error:
        message = error.format_message()
        return "" if message.endswith("does not exist.") else message
    return ""


def parse(arguments: list[str]) -> None:
    """Parse a command line; raise click's error."""
    if arguments in ([], ["--version"]) or arguments[-1] in {"-h", "--help"}:
        return
    group: click.Group = main
    context = group.make_context("btfer", list(arguments))
    while True:
        rest = [*context._protected_args, *context.args]
        name, command, rest = group.resolve_command(context, rest)
        assert command is not None
        context = command.make_context(name, rest, parent=context)
        if not isinstance(command, click.Group):
            return
        group = command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_line_parses(page):
    called = [
        (line, arguments)
        for block in blocks(page.read_text(encoding="utf-8"))
        for line in block.splitlines()
        for arguments in commands(line)
    ]
    assert [(line, fault(arguments)) for line, arguments in called if fault(arguments)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_in_a_sentence_exists_with_its_options(page):
    wrong = []
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for code in re.findall(r"`btfer( [^`]+)`", text):
        command, words = main, re.sub("^ -w DIR", "", code).split()
        if words[0].isupper():  # `btfer COMMAND --help`
            continue
        while isinstance(command, click.Group):
            name = next((word for word in words if not word.startswith("-")), None)
            if name is None:
                break
            words.remove(name)
            found = command.get_command(click.Context(command), name)
            if found is None:
                wrong.append((code, name))
                break
            command = found
        known = {option for each in (command, main) for item in each.params for option in item.opts}
        known |= {option for item in command.params for option in item.secondary_opts} | {"-h", "--help"}
        wrong += [
            (code, word) for word in words if re.match(r"--\w", word) and word.partition("=")[0] not in known
        ]
    assert wrong == []


def test_commands_are_found_in_the_pages():
    found = sum(
        1
        for page in PAGES
        for block in blocks(page.read_text(encoding="utf-8"))
        for line in block.splitlines()
        for _ in commands(line)
    )
    assert found > 150
    assert list(commands("btfer init a && cd a; btfer crop > log # btfer no")) == [["init", "a"], ["crop"]]


@pytest.mark.parametrize(
    "line", ["crob", "crop --piza 3", "crop --faces some", "init", "dataset import", "sample --per-class x"]
)
def test_a_wrong_command_line_is_found(line):
    assert fault(line.split())


def test_every_module_that_is_run_in_the_pages_exists():
    named = {
        name
        for page in PAGES
        for name in re.findall(
            r"python -m ((?:demo|docs|benchmarks)[\w.]*)", page.read_text(encoding="utf-8")
        )
    }
    assert len(named) > 3
    missing = [name for name in named if not (ROOT / f"{name.replace('.', '/')}.py").is_file()]
    assert missing == []
