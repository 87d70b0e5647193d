"""Two models side by side: the page, its links, and whose pictures it shows."""

import csv
import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

import btfer_builder as bt
from btfer_builder.config import EvalRecipe
from btfer_builder.errors import BtferError
from btfer_builder.evaluate import evaluate_models
from btfer_builder.evaluate.loaders.base import Model
from btfer_builder.evaluate.report import pair_page
from btfer_builder.evaluate.report.compare import compare_reports
from btfer_builder.evaluate.report.leaderboard import write_leaderboards
from btfer_builder.evaluate.report.pair_page import differing_faces, scored_images
from btfer_builder.evaluate.report.read_report import read_report
from btfer_builder.labels import EMOTIONS
from tests.review.browser import CHROMIUM, Chromium

LEVELS = (10, 45, 80, 115, 150, 185, 220)


def model_of(name, *wrong):
    """Return a model that is wrong on faces whose brightness ends with one of these digits."""

    def predict(batch):
        levels = np.rint(batch[:, 0, 0, 0]).astype(int)
        right = np.abs(levels[:, np.newaxis] - np.array(LEVELS)).argmin(axis=1)
        answers = np.where(np.isin(levels % 10, wrong), (right + 1) % 7, right)
        sure = (0.5 + levels / 1000)[:, np.newaxis]
        return np.where(np.eye(7)[answers] > 0, sure, (1 - sure) / 6).astype(np.float32)

    return Model(Path(name), 8, 8, 3, 7, "function", predict, name=name)


MODELS = (("<b>good", 3), ("fair", 1, 2), ("poor", 1, 2, 3, 6, 7))


@pytest.fixture(scope="module")
def place(make_shared_set, tmp_path_factory):
    """Return a folder of the reports of three models and their comparison, which the tests do not change."""
    faces = make_shared_set(
        {e: [level + d for d in range(-4, 5)] for e, level in zip(EMOTIONS, LEVELS, strict=True)}
    )
    folder = tmp_path_factory.mktemp("place") / "reports"
    models = [model_of(*one) for one in MODELS]
    done = evaluate_models(
        models, faces, EvalRecipe(resamples=50, size=8, scale="0,255"), folder, set_name="bright"
    )
    compared(folder, [report.path for report in done])
    return folder


def compared(folder, paths):
    (board,) = compare_reports([read_report(path) for path in paths], resamples=50)
    write_leaderboards([board], folder / "comparison")
    return board


def reports_of(place):
    return sorted(path.parent for path in place.glob("*/metrics.json"))


def page_of(place, first, second):
    title = f"<h1>{first} and {second}</h1>"
    return next(path for path in (place / "comparison").glob("pair-*.html") if title in path.read_text())


def test_the_page_has_the_faces_that_only_one_gets_right(place):
    page = page_of(place, "&lt;b&gt;good", "fair").read_text()
    tables = {}
    for path in reports_of(place):
        with (path / "predictions.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        tables[json.loads((path / "metrics.json").read_text())["model"]] = {r["face_id"]: r for r in rows}
    good, fair = tables["<b>good"], tables["fair"]
    only = [
        {face for face in good if one[face]["correct"] == "true" and other[face]["correct"] == "false"}
        for one, other in ((good, fair), (fair, good))
    ]
    shown = [re.findall(r'title="([^"]+)"', part) for part in page.split("<h3>")[1:]]
    assert [set(part) for part in shown] == only
    assert min(map(len, only)) > 0
    sure = [float(fair[face][f"p_{fair[face]['predicted']}"]) for face in shown[0]]
    assert sure == sorted(sure, reverse=True), "the most confident errors first"
    assert "<script" not in page
    assert not re.search(r"https?:|url\(|@import|<link|<iframe|<b>good", page)


def test_every_link_leads_somewhere(place):
    pages = [*place.glob("*/report.html"), *(place / "comparison").glob("*.html")]
    assert len(pages) == 3 + 1 + 3
    anchors = {path.resolve(): set(re.findall(r'id="([^"]+)"', path.read_text())) for path in pages}
    leads = {path: set() for path in anchors}
    for path in anchors:
        for link in re.findall(r'<a [^>]*href="([^"]+)"', path.read_text()):
            file, _, anchor = link.partition("#")
            there = (path.parent / unquote(file)).resolve() if file else path
            assert there in anchors, link
            assert not anchor or anchor in anchors[there], link
            leads[path].add(there)
    board = (place / "comparison" / "leaderboard.html").resolve()
    assert leads[board] == set(anchors) - {board}, "to all reports and pairs"
    for path in set(anchors) - {board}:
        assert board in leads[path], path
        if path.name == "report.html":
            assert sum(there.name.startswith("pair-") for there in leads[path]) == 2, (
                "side by side with both others"
            )
    face_links = re.findall(r'href="[^"#]+/report.html#face-', page_of(place, "fair", "poor").read_text())
    assert face_links, "faces lead to themselves in the reports"


def test_pictures_are_small_and_encoded_again(place):
    import base64

    page = page_of(place, "fair", "poor").read_text()
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    assert len(pictures) == page.count('class="tile"') > 0
    assert Image.open(io.BytesIO(base64.b64decode(pictures[0]))).size <= (144, 144)
    assert "licences of the set" in page


def test_a_report_cannot_bring_a_picture_of_this_machine_into_a_page(place, tmp_path):
    private = tmp_path / "private.png"
    Image.new("RGB", (8, 8), (1, 2, 3)).save(private)
    folder = tmp_path / "reports"
    shutil.copytree(place, folder)
    for path in reports_of(folder):
        table = path / "predictions.csv"
        first = table.read_text().splitlines()[1].split(",")[1]
        table.write_text(
            re.sub(r"/[^,]*/faces/", f"{tmp_path}/gone/", table.read_text()).replace(first, str(private))
        )
    assert scored_images([read_report(path) for path in reports_of(folder)]) is None
    compared(folder, reports_of(folder))
    for page in (folder / "comparison").glob("pair-*.html"):
        assert "<img" not in page.read_text()
        assert "Without pictures" in page.read_text()


def test_images_that_changed_or_are_no_files_are_not_shown(place, tmp_path):
    report = read_report(reports_of(place)[0])
    assert len(scored_images([report])) == 63
    Image.new("RGB", (8, 8), (1, 2, 3)).save(tmp_path / "other.png")
    for other in (str(tmp_path / "other.png"), "/dev/zero", str(tmp_path), "a\0b", ""):
        assert scored_images([replace(report, files=(other, *report.files[1:]))]) is None
    again = scored_images([replace(report, files=("",) * 63), report])
    assert again is not None, "another report of the set leads to its images"


def test_pages_of_an_earlier_comparison_go_and_other_files_stay(place, tmp_path):
    folder = tmp_path / "reports"
    shutil.copytree(place, folder)
    (folder / "comparison" / "pair-notes.html").write_text("mine")
    board = compared(folder, reports_of(folder)[:2])
    pages = sorted(path.name for path in (folder / "comparison").glob("pair-*.html"))
    assert len(pages) == 2
    said = [(path / "report.html").read_text() for path in reports_of(folder)]
    assert ["side by side with <a" in page for page in said] == [True, True, False]
    assert "pair-" not in said[2], "no link to a page that is gone"
    assert "pair-notes.html" in pages
    assert board.pairs[0].kappa is not None


def test_many_models_have_pages_of_the_first_pairs(place, tmp_path, monkeypatch):
    monkeypatch.setattr(pair_page, "MAX_PAGES", 20)
    monkeypatch.setattr(pair_page, "MAX_FACES_OF_ALL", 80)
    report = read_report(reports_of(place)[0])
    many = [
        replace(
            report,
            path=None,
            files=("",) * 63,
            metrics=report.metrics | {"model": f"m{n}", "model_path": f"/x/m{n}"},
        )
        for n in range(8)
    ]
    board = compare_reports(many, resamples=0)[0]
    write_leaderboards([board], tmp_path / "c")
    assert len(list((tmp_path / "c").glob("pair-*.html"))) == 20 < len(board.pairs)
    assert "(the first 20 pairs" in (tmp_path / "c" / "leaderboard.html").read_text()
    page = next((tmp_path / "c").glob("pair-*.html")).read_text()
    assert "Both models give identical answers" in page
    board = compare_reports([read_report(path) for path in reports_of(place)], resamples=0)[0]
    monkeypatch.setattr(pair_page, "MAX_FACES_OF_ALL", 12)
    for name in pair_page.write_pair_pages(board, tmp_path / "c").values():
        assert (tmp_path / "c" / name).read_text().count('class="tile"') <= 4, (
            "all pages together have few faces"
        )


def test_python_lists_the_faces_of_a_pair(place):
    comparison = bt.compare(reports_of(place), resamples=0)
    frame = comparison.faces("fair", "poor")
    reports = {report.model: report for report in map(read_report, reports_of(place))}
    rows = differing_faces(reports["fair"], reports["poor"])
    assert frame["face_id"].tolist() == [reports["fair"].faces[row] for part in rows for row in part]
    assert set(frame["correct"]) == {"fair"}, "poor makes the errors of fair, and others"
    assert (frame["first"] == frame["emotion"]).all()
    with pytest.raises(BtferError, match="no set on which both"):
        comparison.faces("fair", "unknown")


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("size", [(1280, 900), (390, 844)])
def test_the_essentials_fit_one_screen_and_links_unfold_the_rest(place, tmp_path, size):
    report = next(path for path in reports_of(place) if path.name == "fair") / "report.html"
    bottom = "Math.round(document.querySelector('.essentials').getBoundingClientRect().bottom)"
    loaded = "document.readyState === 'complete' && document.querySelector('.essentials') !== null"
    with Chromium(tmp_path / "profile") as chromium, chromium.tab(*size) as tab:
        for page in (report, place / "comparison" / "leaderboard.html"):
            tab.navigate(page.as_uri())
            tab.until(f"location.pathname.endsWith('{page.name}') && {loaded}")
            assert 0 < tab.eval(bottom) <= size[1], page
            assert tab.eval("document.documentElement.scrollWidth") == size[0]
            assert tab.eval("[...document.querySelectorAll('details')].every(part => !part.open)")
        (face, *_) = re.findall(r'<figure id="(face-[^"]+)"', report.read_text())
        tab.navigate(f"{report.as_uri()}#{face}")
        tab.until(f"location.hash === '#{face}' && {loaded}")
        tab.until(f"document.getElementById('{face}').checkVisibility()")
        assert tab.complaints() == []


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_the_arrow_keys_walk_through_the_faces_of_both_models(place, tmp_path):
    page = page_of(place, "&lt;b&gt;good", "fair")
    checked = "[...document.querySelectorAll('.tile')].findIndex(tile => tile.querySelector(':checked'))"
    with Chromium(tmp_path / "profile") as chromium, chromium.tab(390, 800) as tab:
        tab.navigate(page.as_uri())
        tab.until("document.readyState === 'complete' && document.querySelectorAll('.tile').length > 20")
        tab.eval("document.querySelector('.tile input').focus()")
        for expected in (1, 2):
            tab.press("ArrowRight")
            assert tab.eval(checked) == expected
        assert tab.eval("getComputedStyle(document.querySelectorAll('.detail')[2]).display") == "block"
        assert tab.eval("document.querySelectorAll('.tile:has(:checked)').length") == 1
        tab.press("ArrowLeft", "ArrowLeft", "ArrowLeft")
        last = tab.eval("document.querySelectorAll('.tile').length") - 1
        assert tab.eval(checked) == last, "round to the last face, which only the other model gets right"
        assert tab.eval("document.documentElement.scrollWidth") == 390
        assert tab.complaints() == []
