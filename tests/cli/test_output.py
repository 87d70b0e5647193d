"""Tables and sentences fit a terminal of 80 columns, and nothing of them is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btfer_builder.cli.output import _blocks, paragraph, table
from btfer_builder.evaluate.report.leaderboard import heads

LONG = "a-model-whose-name-is-longer-than-the-column-it-stands-in"
ROW = ["1", LONG, "0.812", "0.801–0.823", "0.712", "−3.1 points", "12.3 MB", "114.0 ms", "203"]


def lines_of(capsys) -> list[str]:
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80, lines
    return lines


@pytest.mark.parametrize("ranks", [("1", "2="), ("–", "–")])
def test_a_leaderboard_has_all_its_columns_and_names_its_rows_again(capsys, ranks):
    assert len(heads()) == len(ROW)
    table(
        "set #1234, 14 faces",
        heads(),
        [[rank, f"{LONG}-{rank}-{n}", *ROW[2:]] for n, rank in enumerate(ranks)],
    )
    lines = lines_of(capsys)
    text = "".join(line.strip() for line in lines)
    for word in " ".join(heads()).split():
        assert word in text, word
    for cell in ROW[2:]:
        assert text.count(cell) == 2, cell
    apart = len(set(ranks)) == 2
    assert sum(line.startswith("rank") for line in lines) == (2 if apart else 3)
    assert sum("model" in line.split() for line in lines) == (1 if apart else 3)
    for number, rank in enumerate(ranks):
        name = f"{LONG}-{rank}-{number}"
        assert text.count(name) == 1
        assert text.count(f"{name[:12]}…{name[-11:]}") == (0 if apart else 2)


def test_a_narrow_table_is_one_and_its_title_may_be_wider(capsys):
    table("a title [bold] of four words", ["emotion", "F1"], [("angry", 0.25), ("happy", "–")])
    assert [line.rstrip() for line in lines_of(capsys)] == [
        "", "a title [bold] of four words", "emotion     F1", "angry    0.250", "happy        –",
    ]  # fmt: skip


def test_a_table_without_rows_has_its_heads(capsys):
    table("nothing", ["name", "count"], [])
    assert [line.split() for line in lines_of(capsys)] == [[], ["nothing"], ["name", "count"]]


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("terminal", ["dumb", "xterm"])
def test_ids_and_addresses_can_be_copied_and_words_break_at_spaces(capsys, monkeypatch, width, terminal):
    monkeypatch.setattr("btfer_builder.cli.output._width", lambda: width)
    monkeypatch.setenv("TERM", terminal)
    ids = ["ab" * 8, "cd" * 32]
    urls = [f"https://photos.example/{'y' * size}" for size in (10, 90)]
    said = "a-sentence of words-with-hyphens that goes on and on until nobody remembers how it began"
    rows = [(face, url, said, 3) for face, url in zip(ids, urls, strict=True)]
    table(f"checked {urls[1]} of everything", ["face", "source", "what was found there", "faces"], rows)
    words = capsys.readouterr().out.split()
    for word in (*ids, urls[0]):
        assert word in words
    assert words.count(urls[1]) == 2
    assert set(said.split()) <= set(words)
    assert f"{ids[1][:12]}…{ids[1][-11:]}" in words


def test_names_that_are_alike_when_they_are_cut_are_not_cut(capsys):
    names = [f"{'a' * 20}{place}{'b' * 20}" for place in "xy"]
    table("two", ["model", "one", "two"], [(name, "1" * 20, "2" * 20) for name in names])
    text = capsys.readouterr().out
    assert [text.count(name) for name in names] == [2, 2]


def test_sentences_are_broken_between_words_and_addresses_are_not(capsys):
    path = "/a/folder/" + "with-a-long-name/" * 8
    paragraph(f"{'word ' * 30}end\nreport: {path}")
    lines = capsys.readouterr().out.splitlines()
    assert " ".join(lines[:-2]) == f"{'word ' * 30}end"
    assert max(map(len, lines[:-1])) <= 80
    assert lines[-1] == path


@given(st.lists(st.text("ab ", max_size=90), min_size=1, max_size=12), st.integers(1, 3))
def test_every_column_is_in_a_block(head, rows):
    cells = [[f"{text}{row}" for text in head] for row in range(rows)]
    blocks = _blocks(head, cells, cells, 1, 80)
    assert sorted({index for block in blocks for index in block}) == list(range(len(head)))
    for block in blocks:
        assert list(block) == sorted(block)
        assert len(block) <= 2 or sum(block.values()) + 2 * (len(block) - 1) <= 80
