"""Reports of strangers: what is refused, what is upgraded, and what stands in one table."""

import csv
import hashlib
import json
import os

import numpy as np
import pytest
from click.testing import CliRunner

import btfer_builder as bt
from btfer_builder.cli.main import main
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.metrics.scores import score
from btfer_builder.evaluate.report.collect import collect_reports
from btfer_builder.evaluate.report.compare import compare_reports
from btfer_builder.evaluate.report.read_report import read_report
from btfer_builder.evaluate.results import SCHEMA
from btfer_builder.labels import EMOTIONS


def write_report(path, right=20, *, of="set", labels=0, predictions=True, **changed):
    """Write a report of 28 faces whose first `right` predictions are correct; `of` names the contents of the set."""
    path.mkdir(parents=True)
    true = (np.arange(28) + labels) % 7
    predicted = np.where(np.arange(28) < right, true, (true + 1) % 7)
    if predictions:
        with (path / "predictions.csv").open("w", newline="") as file:
            rows = [
                [f"{n:02d}", EMOTIONS[t], EMOTIONS[p]]
                for n, (t, p) in enumerate(zip(true, predicted, strict=True))
            ]
            csv.writer(file).writerows([["face_id", "emotion", "predicted"], *rows])
    scores = score(true, predicted)
    digest = hashlib.sha256(of.encode()).hexdigest()
    metrics = {
        "schema": SCHEMA, "model": path.name, "model_path": f"/m/{path.name}", "n": 28, "accuracy": scores.accuracy,
        "accuracy_interval_95": [0.0, 1.0], "macro": {"f1": scores.macro_f1}, "set": {"name": of, "sha256": digest},
        "signature": f"BTFER|set:{of}#{digest[:8]}|n:28|in:8rgb|labels:7|leak:unknown|btfer:0.2.0",
    }  # fmt: skip
    (path / "metrics.json").write_text(json.dumps(metrics | changed))
    return path


def test_folders_of_many_people_are_collected_and_sets_are_tables_of_their_own(tmp_path):
    write_report(tmp_path / "ana" / "runs" / "first", 20)
    write_report(tmp_path / "ben" / "second", 22)
    write_report(tmp_path / "ben" / "other", 22, of="other")
    write_report(tmp_path / "ben" / ".hidden", 22)
    reports, lines = collect_reports(
        [tmp_path / "ana", tmp_path / "ben", tmp_path / "ben" / "second" / "metrics.json"]
    )
    assert [report.model for report in reports] == ["first", "other", "second"], "each once"
    assert lines == []
    boards = {board.set_name: board for board in compare_reports(reports, resamples=0)}
    assert [row.model for row in boards["set"].rows] == ["second", "first"]
    assert [row.model for row in boards["other"].rows] == ["other"]
    assert bt.compare([tmp_path], resamples=0).to_frame()["model"].tolist() == ["second", "first", "other"]


def test_a_set_of_the_same_name_and_first_digits_is_another_set(tmp_path):
    write_report(tmp_path / "a")
    digest = hashlib.sha256(b"set").hexdigest()
    write_report(tmp_path / "b", set={"name": "set", "sha256": digest[:8] + "0" * 56})
    reports, _ = collect_reports([tmp_path])
    assert len(compare_reports(reports, resamples=0)) == 2


def test_labels_that_were_changed_cannot_share_a_table(tmp_path):
    write_report(tmp_path / "a", 20)
    write_report(tmp_path / "b", 28, labels=1)
    reports, _ = collect_reports([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(BtferError, match=r"both state the set .* list other faces or labels"):
        compare_reports(reports, resamples=0)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"schema": SCHEMA + 1}, "written by a newer btfer"),
        ({"schema": 1}, "schema 1"),
        ({"schema": "3"}, "schema '3'"),
        ({"schema": True}, "schema True"),
        ({"model": ""}, "`model`"),
        ({"model": "x" * 5000}, "`model`"),
        ({"model": ["x"]}, "`model`"),
        ({"model_path": {}}, "`model_path`"),
        ({"n": 27}, "number of faces"),
        ({"n": True}, "number of faces"),
        ({"accuracy": "0.9"}, "`accuracy` is no number"),
        ({"accuracy": 1e400}, "`accuracy` is no number"),
        ({"accuracy": 1.5}, "a share is not within"),
        ({"accuracy_interval_95": [0.9, 0.1]}, "a share is not within"),
        ({"accuracy_interval_95": [0.1]}, "not a report of this btfer"),
        ({"macro": {"f1": None}}, "`macro_f1` is no number"),
        ({"macro": {}}, "lacks 'f1'"),
        ({"ece": {"a": 1}}, "`ece` is no number"),
        ({"efficiency": {"latency_p50_ms": "fast"}}, "`latency_p50_ms` is no number"),
        ({"efficiency": [1]}, "not a report of this btfer"),
        ({"set": {"sha256": "0" * 64}}, "hash of its set"),
        ({"set": {"sha256": 5}}, "not a report of this btfer"),
        ({"set": None}, "not a report of this btfer"),
        ({"signature": "BTFER"}, "lacks 'set'"),
    ],
)
@pytest.mark.parametrize("predictions", [True, False])
def test_what_no_btfer_wrote_is_refused_in_one_line(tmp_path, changed, says, predictions):
    path = write_report(tmp_path / "x", predictions=predictions, **changed)
    with pytest.raises(BtferError, match=says) as caught:
        read_report(path, paired=False)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_what_is_found_and_cannot_be_used_is_left_out_with_a_line_and_counted(tmp_path):
    write_report(tmp_path / "all" / "good")
    write_report(tmp_path / "all" / "newer", schema=SCHEMA + 1)
    (tmp_path / "all" / "foreign").mkdir()
    (tmp_path / "all" / "foreign" / "metrics.json").write_text('{"loss": NaN}')
    (tmp_path / "all" / "pipe").mkdir()
    os.mkfifo(tmp_path / "all" / "pipe" / "metrics.json")
    reports, lines = collect_reports([tmp_path / "all"])
    assert [report.model for report in reports] == ["good"]
    assert len(lines) == 4
    assert all(line.startswith("left out: ") for line in lines[:3])
    assert lines[3] == "4 reports: 1 read, 3 left out"
    with pytest.raises(BtferError, match="newer"):
        collect_reports([tmp_path / "all" / "newer"])
    with pytest.raises(BtferError, match="none of the reports can be used"):
        collect_reports([write_report(tmp_path / "bad" / "newer", schema=SCHEMA + 1).parent])


def test_one_that_lists_other_labels_than_most_is_left_out_unless_it_is_named(tmp_path):
    for name in ("a", "b", "changed"):
        write_report(tmp_path / "all" / name)
    table = tmp_path / "all" / "changed" / "predictions.csv"
    head, first, *rows = table.read_text().splitlines()
    column = head.split(",").index("face_id")
    cells = first.split(",")
    cells[column] = "another face"
    table.write_text("\n".join([head, ",".join(cells), *rows]) + "\n")
    reports, lines = collect_reports([tmp_path / "all"])
    assert [report.model for report in reports] == ["a", "b"]
    assert "list other faces or labels" in lines[0]
    assert lines[1] == "3 reports: 2 read, 1 left out"
    found = sorted((tmp_path / "all").iterdir())
    assert [report.model for report in collect_reports(found, named=False)[0]] == ["a", "b"]
    with pytest.raises(BtferError, match="list other faces or labels"):
        compare_reports(collect_reports(found)[0], resamples=0)
    reports, lines = collect_reports([table.parent, tmp_path / "all"])
    assert [report.model for report in reports] == ["changed"], "what is named holds"
    assert lines[-1] == "3 reports: 1 read, 2 left out"


def test_an_older_form_is_upgraded_with_one_line(tmp_path):
    path = write_report(tmp_path / "old", schema=2)
    reports, lines = collect_reports([path])
    assert len(reports) == 1
    assert lines == [
        f"{path}: read as schema {SCHEMA}, written as 2; its robustness scores are not comparable"
    ]


def test_names_of_strangers_give_the_terminal_no_orders(tmp_path):
    write_report(tmp_path / "all" / "x", model="a\x1b[2J\nb")
    reports, _ = collect_reports([tmp_path / "all"])
    (board,) = compare_reports(reports, resamples=0)
    assert board.rows[0].model == "a\\x1b[2J\\nb"


def test_scores_without_predictions_stand_below_without_a_rank(tmp_path):
    write_report(tmp_path / "all" / "first", 20)
    write_report(tmp_path / "all" / "second", 22)
    write_report(tmp_path / "all" / "told", 28, predictions=False)
    done = CliRunner().invoke(main, ["compare", str(tmp_path / "all"), "--resamples", "0", "--json"])
    assert done.exit_code == 0, done.output
    (board,) = json.loads(done.stdout)["leaderboards"]
    assert [row["model"] for row in board["rows"]] == ["second", "first"]
    assert [(row["model"], row["rank"], row["accuracy"]) for row in board["unpaired"]] == [
        ("told", None, 1.0)
    ]
    folder = tmp_path / "all" / "comparison"
    with (folder / "leaderboard.csv").open(newline="") as file:
        assert [row["rank"] for row in csv.DictReader(file)] == ["1", "1", ""]
    for name in ("leaderboard.html", "leaderboard.md"):
        assert "1 model without a rank: no predictions.csv" in (folder / name).read_text()
    assert 'href="../told/report.html"' not in (folder / "leaderboard.html").read_text(), "there is none"
    (tmp_path / "all" / "told" / "report.html").touch()
    CliRunner().invoke(main, ["compare", str(tmp_path / "all"), "--resamples", "0"])
    assert 'href="../told/report.html"' in (folder / "leaderboard.html").read_text()
    with pytest.raises(BtferError, match=r"no metrics.json and predictions.csv"):
        read_report(tmp_path / "all" / "told")


def test_a_set_of_scores_alone_is_a_table_without_ranks(tmp_path):
    for name in ("a", "b"):
        write_report(tmp_path / "all" / name, predictions=False)
    done = CliRunner().invoke(main, ["compare", str(tmp_path / "all")])
    assert done.exit_code == 0, done.output
    assert "2 models without a rank" in done.stdout
