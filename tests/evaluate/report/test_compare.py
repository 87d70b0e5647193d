"""Leaderboards out of reports, without TensorFlow: the models are functions."""

import csv
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from btfer_builder.config import EvalRecipe
from btfer_builder.errors import BtferError
from btfer_builder.evaluate import LabelledFace, evaluate_models
from btfer_builder.evaluate.metrics.power import between_models
from btfer_builder.evaluate.metrics.registry import metrics_in
from btfer_builder.evaluate.metrics.significance import mcnemar
from btfer_builder.evaluate.report.board import Leaderboard, ModelPair, Row
from btfer_builder.evaluate.report.compare import compare_reports
from btfer_builder.evaluate.report.leaderboard import (
    SEPARATE_SETS,
    markdown,
    write_leaderboards,
)
from btfer_builder.evaluate.report.read_report import read_report
from btfer_builder.evaluate.report.sentences import order_sentences, significance_summary
from btfer_builder.labels import EMOTIONS

LEVELS = (10, 45, 80, 115, 150, 185, 220)

#: Functions that are right on faces of the levels above, except where they are told to be wrong.
LIBRARY = """
import numpy as np
def answers(batch, wrong):
    levels = batch[:, 0, 0, 0].astype(int)
    classes = np.array([[abs(level - one) for one in (10, 45, 80, 115, 150, 185, 220)] for level in levels]).argmin(1)
    classes = np.where([level % 10 in wrong for level in levels], (classes + 1) % 7, classes)
    return np.eye(7)[classes] * 0.9 + 0.1 / 7
def good(batch): return answers(batch, ())
def fair(batch): return answers(batch, (1, 2))
def near(batch): return answers(batch, (2, 3))
def poor(batch): return answers(batch, (1, 2, 3, 6, 7, 8))
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("library")
    (folder / "models_of_test.py").write_text(LIBRARY)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", sys.path.copy())
        yield ["models_of_test:" + name for name in ("good", "fair", "near", "poor")]
    sys.modules.pop("models_of_test", None)


@pytest.fixture(scope="module")
def bright(make_shared_set) -> list[LabelledFace]:
    return make_shared_set(
        {e: [level + d for d in range(-4, 5)] for e, level in zip(EMOTIONS, LEVELS, strict=True)}
    )


@pytest.fixture(scope="module")
def reports(bright, library, tmp_path_factory) -> list[Path]:
    """Return reports that the tests share: who changes one changes a copy."""
    folder = tmp_path_factory.mktemp("reports")
    done = evaluate_models(library, bright, EvalRecipe(resamples=200, size=8), folder, set_name="bright")
    return [report.path for report in done]


def test_the_leaderboard_ranks_and_ties(reports):
    answers = [read_report(path) for path in reports]
    (board,) = compare_reports(answers, resamples=500, seed=0)
    assert board.n == 63
    names = [row.model.partition(":")[2] for row in board.rows]
    assert names[0] == "good"
    assert names[-1] == "poor"
    ranks = {name: (row.rank, row.tied) for name, row in zip(names, board.rows, strict=True)}
    assert ranks == {"good": (1, False), "fair": (2, True), "near": (2, True), "poor": (4, False)}
    assert board.tied == ((1, 2),)
    assert board.p_any < 1e-6
    assert len(board.pairs) == 6
    right = {one.model: one.true == one.predicted for one in answers}
    for pair in board.pairs:
        first, second = right[pair.first], right[pair.second]
        assert pair.only_first == (first & ~second).sum()
        assert pair.only_second == (second & ~first).sum()
        assert pair.accuracy_difference == pytest.approx(first.mean() - second.mean())
        assert pair.p_value == mcnemar(first, second)
        assert pair.p_value <= pair.p_holm <= 1
        low, high = pair.accuracy_interval_95
        assert low <= pair.accuracy_difference <= high
    assert board.rows[0].accuracy == 1
    assert board.rows[-1].accuracy_lost == pytest.approx(1 - board.rows[-1].accuracy)
    assert board.notes == ()


def test_the_paired_interval_is_narrower_than_that_of_two_sets(reports):
    answers = [read_report(path) for path in reports]
    (board,) = compare_reports(answers, resamples=2000, seed=0)
    pair = next(p for p in board.pairs if {p.first[-4:], p.second[-4:]} == {"fair", "poor"})
    first, second = (
        next(a.true == a.predicted for a in answers if a.model == m) for m in (pair.first, pair.second)
    )
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 63, (2000, 63))
    expected = np.quantile(first[rows].mean(axis=1) - second[rows].mean(axis=1), [0.025, 0.975])
    assert pair.accuracy_interval_95 == pytest.approx(tuple(expected), abs=0.03)


def test_scores_of_different_sets_stand_in_different_tables(reports, bright, library, tmp_path):
    (other,) = evaluate_models(library[:1], bright[:-5], EvalRecipe(resamples=0, size=8), tmp_path / "other")
    boards = compare_reports([read_report(path) for path in [*reports, other.path]], resamples=0)
    assert [board.n for board in boards] == [63, 58]
    assert boards[0].pairs[0].accuracy_interval_95 is None
    text = markdown(boards)
    assert text.startswith(SEPARATE_SETS)
    assert text.count("| rank |") == 2
    folder = write_leaderboards(boards, tmp_path / "comparison")
    page = (folder / "leaderboard.html").read_text()
    assert "different sets of faces" in page
    assert "<script" not in page


def test_models_that_were_fed_differently_are_said_to_be(make_set, library, tmp_path):
    faces = make_set({"happy": [115, 116], "sad": [185]})
    first = evaluate_models(library[:1], faces, EvalRecipe(resamples=0, size=8), tmp_path / "out")
    second = evaluate_models(library[1:2], faces, EvalRecipe(resamples=0, size=16), tmp_path / "out")
    (board,) = compare_reports([read_report(one.path) for one in [*first, *second]], resamples=100)
    (note,) = board.notes
    assert note.startswith("The preprocessing of the models differs")
    assert "8rgb/raw,none" in note
    assert "16rgb/raw,cubic" in note


def test_models_of_one_name_are_told_apart(make_set, library, tmp_path):
    """As if functions of one name had been scored as files: what tells them apart is where they lie."""
    faces = make_set({"happy": [115, 116], "sad": [185]})
    recipe = EvalRecipe(resamples=0, size=8)
    done = evaluate_models([library[0], library[3]], faces, recipe, tmp_path / "out")
    for report, place in zip(done, ("/x/a/m.keras", "/x/b/m.keras"), strict=True):
        metrics = report.path / "metrics.json"
        metrics.write_text(
            json.dumps(json.loads(metrics.read_text()) | {"model": "m.keras", "model_path": place})
        )
    answers = [read_report(report.path) for report in done]
    (board,) = compare_reports(answers, resamples=10)
    assert [row.model for row in board.rows] == ["a/m.keras", "b/m.keras"]
    assert {board.pairs[0].first, board.pairs[0].second} == {"a/m.keras", "b/m.keras"}
    # The same model with two reports on one set: their folders tell.
    same = json.loads((done[0].path / "metrics.json").read_text())["model_path"]
    twice = [replace(one, metrics=one.metrics | {"model_path": same}) for one in answers]
    (board,) = compare_reports(twice, resamples=10)
    assert [row.model for row in board.rows] == [f"m.keras ({report.path.name})" for report in done]


def board_of(p_values, *, p_any=0.01, ranks=(1, 1, 1)):
    row = Row(
        1,
        False,
        "m",
        {metric.name: None for metric in metrics_in("file")} | {"accuracy": 0.5, "macro_f1": 0.5},
        (0.4, 0.6),
        0.0,
        *(None, None, None, None),
        2.0,
        "BTFER|n:2",
        "r",
    )
    rows = tuple(replace(row, rank=rank, tied=ranks.count(rank) > 1) for rank in ranks)
    # An interval without 0 and a small p by itself: only the corrected p counts.
    pairs = tuple(ModelPair("a", "b", 3, 1, 0.1, (0.01, 0.2), 0.1, (0.01, 0.2), 0.001, p) for p in p_values)
    return Leaderboard("set", "1a2b3c4d", 60, rows, pairs, (), p_any, ())


@pytest.mark.parametrize(
    ("p_values", "ranks", "says"),
    [
        (
            (0.2,),
            (1, 1),
            "No significant difference between these two models (McNemar's exact test, Holm-corrected, p <",
        ),
        ((0.2, 0.3, 1), (1, 1, 1), "No significant difference between any two of these models"),
        ((0.01,), (1, 2), "The two models differ significantly"),
        ((0.01, 1, 1), (1, 1, 2), "1 of 3 pairs differs significantly"),
        ((0.01, 0.01, 1), (1, 2, 2), "2 of 3 pairs differ significantly"),
        (
            (0.01, 0.01, 0.01),
            (1, 2, 3),
            "3 of 3 pairs differ significantly (McNemar's exact test, Holm-corrected, p <",
        ),
    ],
)
@pytest.mark.parametrize("p_any", [0.001, 0.9])
def test_what_is_said_of_models_is_what_the_corrected_tests_say(p_values, ranks, says, p_any):
    text = significance_summary(board_of(p_values, ranks=ranks, p_any=p_any))
    assert says in text
    significant = any(p < 0.05 for p in p_values)  # whatever Cochran's Q says
    assert text.startswith("No significant difference") != significant
    assert ("= marks a shared rank" in text) == (len(set(ranks)) < len(ranks))


def pair_of(first, second, p_holm=1.0, *, identical=False, detectable=None):
    pair = board_of((p_holm,)).pairs[0]
    return replace(pair, first=first, second=second, identical=identical, detectable=detectable)


def named(*pairs):
    names = dict.fromkeys(name for pair in pairs for name in (pair.first, pair.second))
    board = board_of(())
    rows = tuple(replace(board.rows[0], model=name, tied=False) for name in names)
    return replace(board, rows=rows, pairs=pairs)


def test_each_model_is_compared_with_those_that_follow_it():
    board = named(
        *(pair_of("a", "b", identical=True), pair_of("a", "c", 0.2), pair_of("a", "d", 0.01)),
        *(pair_of("b", "c", 0.2), pair_of("b", "d", 0.01), pair_of("c", "d", 0.03)),
    )
    assert order_sentences(board) == [
        "a gives the same answers as b, is significantly better than d and cannot be distinguished from c.",
        "b is significantly better than d and cannot be distinguished from c.",
        "c is significantly better than d.",
    ]
    assert order_sentences(named(pair_of("a", "b"))) == [], "two models are described by the summary"


def test_identical_answers_are_called_identical(tmp_path):
    board = named(pair_of("a", "b", identical=True))
    text = significance_summary(board)
    assert text == "Both models give identical answers: nothing distinguishes them on these faces."
    page = (write_leaderboards([board], tmp_path) / "leaderboard.html").read_text()
    assert '<td colspan="2">identical answers</td>' in page
    three = named(*(pair_of(*names, identical=True) for names in ("ab", "ac", "bc")))
    assert significance_summary(three).startswith("All models give identical answers")
    assert "Cochran" not in significance_summary(three)


def test_the_leaderboard_says_what_the_set_detects(reports, tmp_path):
    answers = [read_report(path) for path in reports]
    (board,) = compare_reports(answers, resamples=10)
    assert [row.value for row in board.detectable] == ["", *EMOTIONS]
    assert board.detectable == tuple(answers[0].detectable), "of the first model"
    for pair in board.pairs:
        share = (pair.only_first + pair.only_second) / board.n
        assert pair.detectable == between_models(share, board.n, 0.05 / 6)
        assert not pair.identical
    low, high = (f"{100 * end({pair.detectable for pair in board.pairs}):.1f}" for end in (min, max))
    assert f"With 80% power this test finds differences of {low} to {high}" in significance_summary(board)
    page = (write_leaderboards([board], tmp_path) / "leaderboard.html").read_text()
    assert "<summary>How much this set can tell</summary>" in page
    # Faces of one photo are fewer faces, and reports of earlier versions have neither.
    shared = [
        replace(one, sources=np.arange(63) // 3, metrics=one.metrics | {"detectable": None})
        for one in answers
    ]
    (clustered,) = compare_reports(shared, resamples=10)
    assert clustered.detectable == ()
    assert all(
        after.detectable is None or after.detectable >= before.detectable
        for before, after in zip(board.pairs, clustered.pairs, strict=True)
    )
    few = [replace(one, sources=np.arange(63) % 9) for one in answers]
    assert {pair.detectable for pair in compare_reports(few, resamples=0)[0].pairs} == {None}


def test_the_page_claims_no_more_than_the_corrected_tests(tmp_path):
    folder = write_leaderboards([board_of((0.2, 0.01, 1), ranks=(1, 2, 2))], tmp_path)
    page = " ".join((folder / "leaderboard.html").read_text().split())
    assert page.count('<tr class="soft">') == 2
    assert "grey rows are not significant" in page
    assert "<th>Better</th>" not in page
    assert "+1.0 to +20.0" in page


def test_tests_count_sources_as_most_reports_state_them(reports):
    one, other, third, fourth = (read_report(path) for path in reports)
    groups = np.arange(63) // 3
    numbered = 9 - groups  # the same photos under other numbers
    stated = [replace(one, sources=groups), replace(other, sources=numbered), third]
    all_alike = replace(fourth, sources=np.zeros(63, np.int64))
    (board,) = compare_reports([*stated, all_alike], resamples=200)
    assert (board.sources, board.clustered, board.test) == (21, True, "McNemar's exact test over sources")
    right = {item.model: item.true == item.predicted for item in (one, other, third, fourth)}
    for pair in board.pairs:
        assert pair.p_value == mcnemar(right[pair.first], right[pair.second], groups)
    (plain,) = compare_reports([one, other, third, fourth], resamples=200)
    assert (plain.sources, plain.test) == (63, "McNemar's exact test")
    wider = [
        np.ptp(a.accuracy_interval_95) - np.ptp(b.accuracy_interval_95)
        for a, b in zip(board.pairs, plain.pairs, strict=True)
    ]
    assert max(map(abs, wider)) > 0.01, "resamples draw sources"
    assert "over sources, Holm-corrected" in significance_summary(board)


def test_names_are_text_in_every_form(reports, tmp_path):
    name = '<b>x&"|`*_=[y](z)~.keras'
    answers = [read_report(path) for path in reports]
    answers[0] = replace(answers[0], metrics=answers[0].metrics | {"model": name, "model_path": f"/m/{name}"})
    named = replace(answers[1], metrics=answers[1].metrics | {"model": "=1+1", "model_path": "/m/=1+1"})
    folder = write_leaderboards(compare_reports([answers[0], named], resamples=10), tmp_path / "comparison")
    page, text = ((folder / f"leaderboard.{end}").read_text() for end in ("html", "md"))
    assert "<b>" not in page + text
    assert "&lt;b&gt;x&amp;&#34;|`*_=[y](z)~.keras" in page
    literal = r'&lt;b&gt;x&amp;"\|\`\*\_=\[y\](z)\~.keras'
    assert f"| {literal} |" in text
    assert text.count(literal) == 2
    with (folder / "leaderboard.csv").open(newline="") as file:
        assert {row["model"] for row in csv.DictReader(file)} == {name, "'=1+1"}


def test_what_is_written(reports, tmp_path):
    boards = compare_reports([read_report(path) for path in reports], resamples=100)
    folder = write_leaderboards(boards, tmp_path / "comparison")
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("pair-"))
    assert names == ["comparison.json", "leaderboard.csv", "leaderboard.html", "leaderboard.md"]
    with (folder / "leaderboard.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == ["1", "2", "2", "4"]
    assert [row["tied"] for row in rows] == ["false", "true", "true", "false"]
    assert float(rows[0]["accuracy_low"]) < 1 == float(rows[0]["accuracy"])
    lines = (folder / "leaderboard.md").read_text().splitlines()
    assert r"| 2= | models\_of\_test:fair |" in "\n".join(lines)
    result = json.loads((folder / "comparison.json").read_text())
    assert len(result["leaderboards"][0]["pairs"]) == 6


def test_reports_that_are_none_or_were_changed(reports, tmp_path):
    with pytest.raises(BtferError, match="not a report"):
        read_report(tmp_path)
    report = Path(shutil.copytree(reports[0], tmp_path / "copy"))
    metrics = report / "metrics.json"
    content = json.loads(metrics.read_text())
    assert read_report(metrics).model == "models_of_test:good"
    metrics.write_text(json.dumps(content | {"accuracy": 0.5, "accuracy_interval_95": [0.4, 0.6]}))
    with pytest.raises(BtferError, match="disagree"):
        read_report(report)
    for broken in ("{", "[]", '{"model": "x"}', json.dumps(content | {"signature": 3})):
        metrics.write_text(broken)
        with pytest.raises(BtferError, match="not a report of this btfer"):
            read_report(report)
    for changed in ({"human": {"n": "x"}}, {"detectable": {"rows": [{"n": 1}]}}, {"detectable": [1]}):
        metrics.write_text(json.dumps(content | changed))
        with pytest.raises(BtferError, match="not a report of this btfer"):
            read_report(report)
    metrics.write_text(json.dumps(content))
    table = report / "predictions.csv"
    lines = table.read_text().splitlines()
    for source in ("-1", "x", "9" * 400):
        table.write_text("\n".join([*lines[:-1], f"{lines[-1].rpartition(',')[0]},{source}"]))
        with pytest.raises(BtferError, match="not a report of this btfer"):
            read_report(report)
