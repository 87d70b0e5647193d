"""What is written for people: the table, the page, the plot."""

import csv
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgba_array
from PIL import Image
from scipy.stats import chi2_contingency

from btfer_builder.config import EvalRecipe
from btfer_builder.evaluate import LabelledFace
from btfer_builder.evaluate.evaluate import make_job
from btfer_builder.evaluate.inference.outputs import Labels, Predictions
from btfer_builder.evaluate.measure import measure
from btfer_builder.evaluate.metrics.power import Detectable
from btfer_builder.evaluate.metrics.scores import ReliabilityBin, score
from btfer_builder.evaluate.preprocessing.preprocessing_search import PreprocessingScore
from btfer_builder.evaluate.preprocessing.resolve import ResolvedPreprocessing
from btfer_builder.evaluate.report import charts
from btfer_builder.evaluate.report.confusion_plot import confusion_png
from btfer_builder.evaluate.report.face_thumbnails import cells, worst_errors
from btfer_builder.evaluate.report.html import (
    between,
    counted,
    points,
    report_html,
    short,
)
from btfer_builder.evaluate.report.prediction_files import write_predictions
from btfer_builder.evaluate.report.sentences import percent, power_sentence, summary
from btfer_builder.images.plot_style import shades
from btfer_builder.labels import EMOTIONS
from tests.images.drawn import contrast
from tests.review.browser import CHROMIUM, Chromium


def answers(*rows):
    table = np.array(rows, dtype=np.float64)
    scores = np.nan_to_num(table, nan=-np.inf)
    return Predictions(
        table, np.nanargmax(table, axis=1), "softmax", ("none",), scores, table.astype(np.float32)
    )


SEVEN = Labels(EMOTIONS, EMOTIONS)


def sure_of(column, chance):
    row = np.full(7, (1 - chance) / 6)
    row[column] = chance
    return row


def faces_of(folder, *names, emotion="sad"):
    faces = []
    for number, name in enumerate(names):
        path = folder / f"{number}.png"
        Image.new("RGB", (200, 100), (number, 0, 0)).save(path)
        faces.append(LabelledFace(path, emotion, name))
    return faces


def test_predictions_table(tmp_path):
    faces = faces_of(tmp_path, "=1+1", "@x", 'plain, with "quotes"', "-2")
    first = sure_of(5, 0.7)
    first[3] = np.nan
    write_predictions(tmp_path, faces, answers(first, *[sure_of(1, 0.9)] * 3), SEVEN)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "predictions.csv").read_text())))
    assert list(rows[0]) == [
        "face_id",
        "path",
        "emotion",
        "predicted",
        "correct",
        *(f"p_{e}" for e in EMOTIONS),
        "source",
    ]
    assert [row["source"] for row in rows] == ["0", "1", "2", "3"], "faces of unknown origin"
    assert [row["face_id"] for row in rows] == ["'=1+1", "'@x", 'plain, with "quotes"', "'-2"]
    assert [row["correct"] for row in rows] == ["true", "false", "false", "false"]
    assert rows[0]["p_sad"] == "0.7"
    assert rows[0]["p_happy"] == ""
    assert rows[1]["predicted"] == "disgust"


def test_worst_errors_are_the_surest_dozen(tmp_path):
    faces = faces_of(tmp_path, *(f"id{number:02d}" for number in range(15)))
    errors = worst_errors(faces, answers(sure_of(5, 0.99), *(sure_of(2, 0.4 + i / 100) for i in range(14))))
    assert [error.face_id for error in errors] == [f"id{number:02d}" for number in range(14, 2, -1)]
    assert {(error.true, error.predicted) for error in errors} == {("sad", "fear")}
    assert errors[0].confidence == pytest.approx(0.53)


def evaluation_of(faces, predictions, model, **settings):
    recipe = EvalRecipe(labels=("angry", "<i>", *EMOTIONS[2:]), resamples=100, **settings)
    job = make_job(model, recipe)
    views = [predictions] * (1 + 40 * recipe.corruptions + len(recipe.resolutions))
    tried = (
        PreprocessingScore("as <declared>", "8×8", 0.5, (0.2, 0.8)),
        PreprocessingScore("scale 0,255", "8×8", 0.9, (0.8, 1.0), 0.01),
    )
    return measure(
        job,
        ResolvedPreprocessing(recipe, "sidecar <m>"),
        faces,
        views,
        recipe=recipe,
        named=("<set>", "0" * 64, "BTFER|n:2"),
        tried=tried,
    )


def test_the_page_is_whole_and_escapes_names(tmp_path, brightness_model):
    face = {"query_gender": "<b>woman", "language": "en"}
    names = ["<script>alert(1)</script>", *(f"f{k}" for k in range(69))]
    faces = [
        replace(one, attributes=face | ({"query_gender": "man"} if k % 2 else {}), votes={"sad": 2})
        for k, one in enumerate(faces_of(tmp_path, *names))
    ]
    predictions = answers(sure_of(0, 0.8), *[sure_of(5, 0.6)] * 34, *[sure_of(3, 0.7)] * 35)
    model = replace(brightness_model, path=tmp_path / "a&b.keras")
    model.path.write_bytes(b"")
    evaluation = evaluation_of(faces, predictions, model, corruptions=True, resolutions=(48,))
    page = report_html(evaluation).decode()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "a&amp;b.keras" in page
    for said in (
        "&lt;b&gt;woman",
        "as &lt;declared&gt;",
        "sidecar &lt;m&gt;",
        "&lt;set&gt;",
        "class &lt;i&gt;",
    ):
        assert said in page, said
    assert "BTFER|n:2" in page
    assert "48.6%" in page
    assert "the confidence differs from the accuracy by 55.6 percentage points" in page
    assert "search intent" in page
    assert "The declared preprocessing looks wrong" in page
    assert not re.search(r"https?:|url\(|@import|<link|<iframe", page)
    places = set(re.findall(r"""(?:src|srcset|href)=["']([^"']{0,22})""", page))
    # Every cell with faces is linked to the faces behind it, and back.
    anchors = {place for place in places if place.startswith("#face-")}
    assert anchors == {f"#{name}" for name in re.findall('id="(face-[^"]*)"', page)}, (
        "each face has its place"
    )
    assert places - anchors == {"data:image/jpeg;base64", "#sad-angry", "#sad-sad", "#sad-happy", "#matrix"}
    for cell in ("sad-angry", "sad-sad", "sad-happy"):
        assert f'<section class="cell" id="{cell}">' in page
    assert page.count("<svg") == 2 + 8


def test_groups_that_are_all_hidden_leave_no_empty_table(tmp_path, brightness_model):
    faces = [
        replace(one, attributes={"query_gender": word})
        for one, word in zip(faces_of(tmp_path, "a", "b"), ("woman", "man"), strict=True)
    ]
    model = replace(brightness_model, path=tmp_path / "m.keras")
    model.path.write_bytes(b"")
    page = report_html(evaluation_of(faces, answers(sure_of(0, 0.8), sure_of(5, 0.6)), model)).decode()
    assert "Hidden because of fewer than 30 faces: man, woman." in page
    assert not re.search(r"<tbody>\s*</tbody>", page)


def test_a_cell_shows_a_bounded_number_of_its_faces(tmp_path):
    faces = faces_of(tmp_path, *(f"f{k:03d}" for k in range(60)))
    predictions = answers(*[sure_of(5, 0.5 + k / 200) for k in range(30)], *[sure_of(1, 0.9)] * 30)
    wrong, right = cells(faces, predictions)
    assert (wrong.true, wrong.predicted, wrong.count, len(wrong.shown)) == ("sad", "disgust", 30, 24)
    assert (right.predicted, right.count, len(right.shown)) == ("sad", 30, 12)
    assert [face.face_id for face in right.shown] == [f"f{k:03d}" for k in range(29, 17, -1)]


def test_thumbnails_are_small_and_made_anew(tmp_path):
    import base64

    faces = faces_of(tmp_path, "wide")
    (error,) = worst_errors(faces, answers(sure_of(0, 0.8)))
    picture = Image.open(io.BytesIO(base64.b64decode(error.picture.partition(",")[2])))
    assert (picture.format, picture.size) == ("JPEG", (144, 72))


def test_the_summary_says_how_good_and_where_it_fails():
    text = " ".join(summary(score([0, 0, 0, 3, 3], [0, 2, 2, 3, 3])))
    assert "3 of 5 faces, 60.0%" in text
    assert "largest class would reach 60.0%" in text
    assert "highest for happy (100.0%) and lowest for angry (33.3%, most often confused with fear)" in text
    assert "lowest" not in " ".join(summary(score([0, 3], [0, 3])))
    tied = " ".join(summary(score([0, 1, 2, 3, 4], [3, 3, 3, 3, 4])))
    assert "happy and neutral (100.0%) and lowest for angry, disgust and fear (0.0%)." in tied
    even = " ".join(summary(score([0, 0, 3], [1, 2, 3])))
    assert "lowest for angry (0.0%). The recalls" in even, "it is confused with two emotions equally often"


def test_the_plot_shades_what_the_counts_say():
    counts = [[0] * 7 for _ in range(7)]
    counts[0][0] = 12345
    counts[1][6] = 1
    picture = np.asarray(Image.open(io.BytesIO(confusion_png(counts))).convert("RGB"))
    assert picture.shape == (1060, 1280, 3)
    full = to_rgba_array(shades()(1.0))[0, :3]
    cells = np.argwhere((np.abs(picture / 255 - full) < 0.01).all(axis=2))
    # The two full cells: angry as angry on the top left, disgust as surprise right of it and lower.
    assert cells[:, 0].min() < 150
    assert len(cells) > 2 * 100 * 100
    assert picture[0, 0].tolist() == [255, 255, 255]


#: Of each cell of the matrix that is shaded: the channels of its ground with its opacity, of its text and of the page.
SHADES = """[...document.querySelectorAll('table.matrix td:not(.zero)')].map(cell =>
  [cell, cell.querySelector('small'), document.body].map((element, n) =>
    getComputedStyle(element)[n === 1 ? 'color' : 'backgroundColor'].match(/[\\d.]+/g).map(Number)))"""


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_the_matrix_is_read_on_a_phone_and_in_the_dark(tmp_path, brightness_model):
    faces = [face for n, e in enumerate(EMOTIONS) for face in faces_of(tmp_path, f"{n}a", f"{n}b", emotion=e)]
    rows = [sure_of((n // 2 + n % 2 * (n // 2 % 3)) % 7, 0.8) for n in range(14)]
    model = replace(brightness_model, path=tmp_path / "m.keras")
    model.path.write_bytes(b"")
    page = tmp_path / "report.html"
    page.write_bytes(report_html(evaluation_of(faces, answers(*rows), model)))
    with Chromium(tmp_path / "profile") as chromium, chromium.tab(390, 800) as tab:
        tab.navigate(page.as_uri())
        tab.until(
            "document.readyState === 'complete' && document.querySelectorAll('.matrix td').length === 49"
        )
        names = "[...document.querySelectorAll('.matrix thead th')].map(name => name.getBoundingClientRect().right)"
        assert max(tab.eval(names)) <= 390
        assert tab.eval("document.querySelector('.matrix').scrollWidth") <= 390
        for dark in (False, True):
            tab.dark(dark)
            cells = tab.eval(SHADES)
            assert {round(ground[3], 2) for ground, *_ in cells} == ({0.25, 0.5} if dark else {0.38, 0.75})
            for (*ground, opacity), text, paper in cells:
                mixed = [opacity * g + (1 - opacity) * p for g, p in zip(ground, paper, strict=False)]
                assert contrast([c / 255 for c in text[:3]], [c / 255 for c in mixed]) >= 4.5


def test_an_asterisk_is_explained_where_there_is_one(tmp_path, brightness_model):
    faces = faces_of(tmp_path, *"abcdef")
    model = replace(brightness_model, path=tmp_path / "m.keras")
    model.path.write_bytes(b"")
    for right, starred in ((6, True), (3, False)):
        given = answers(*[sure_of(5, 0.8)] * right, *[sure_of(1, 0.8)] * (6 - right))
        page = report_html(evaluation_of(faces, given, model)).decode()
        assert ("*</small>" in page) == ("* All resamples" in page)
        assert ("* All resamples" in page) == starred


def test_numbers_for_people():
    assert (percent(0.1234), percent(None), percent(-0.02)) == ("12.3%", "–", "−2.0%")
    assert (between((-0.01, 0.2)), between(None)) == ("−1.0–20.0%", "")
    assert (points(-0.0123), points(0.0123), points(0.0123, "")) == ("−1.2", "+1.2", "1.2")
    assert (points(-0.0001), points(-0.0001, "")) == ("+0.0", "0.0"), "nothing is below zero by nothing"
    assert [short(n) for n in (None, 1365703, 950, 3.8e9, 12.34)] == ["–", "1.37 M", "950", "3.8 G", "12.3"]
    assert [short(n, "B") for n in (None, 872856, 12)] == ["–", "873 kB", "12 B"]
    assert (short(999.9), short(999_999)) == ("1 k", "1 M")
    assert [counted(n, "face") for n in (0, 1, 2100)] == ["0 faces", "1 face", "2,100 faces"]


def test_charts_show_what_they_are_given():
    bins = (ReliabilityBin(0.6, 0.7, 30, 0.65, 0.2), ReliabilityBin(0.9, 1.0, 10, 0.95, 1.0))
    chart = str(charts.reliability_chart(bins, 40))
    assert chart.count("<circle") == 2
    assert "30 predictions, mean confidence 65%, accuracy 20%" in chart
    assert re.findall("<text [^>]*>([a-z]+)</text>", chart) == ["accuracy", "confidence"]
    line = charts.Line("blur", [0.5, 0.25], [(0.4, 0.6), (0.2, 0.3)])
    assert "5: 25.0% (20.0% to 30.0%)" in str(charts.curve_chart(line, ["0", "5"], "severity"))
    assert "width:50.00%" in str(charts.interval_bar(0.5, (0.4, 0.6)))
    one = str(charts.reliability_chart((ReliabilityBin(0.6, 0.7, 1, 0.65, 0.0),), 1))
    assert "<title>1 prediction, confidence 65%, wrong</title>" in one
    names = [f"{'x' * 30}-fold-{fold}.keras" for fold in (1, 2)]
    long = str(charts.critical_difference_chart(names, [1.2, 1.9], []))
    assert all(f"-fold-{fold}.keras" in re.sub("<title>.*?</title>", "", long) for fold in (1, 2))
    assert all(f"<title>{name}</title>" in long for name in names)
    view = str(charts.critical_difference_chart(["a<b", "c", "d"], [1.2, 1.9, 2.9], [(0, 1)]))
    assert "a&lt;b" in view
    assert view.count('class="clique"') == 1
    assert view.count('class="lead"') == 3


def test_importing_the_room_stays_light():
    import subprocess
    import sys

    code = (
        "import sys, btfer_builder.evaluate\n"
        "heavy = 'tensorflow keras pandas cv2 sklearn matplotlib'.split()\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_names_that_are_no_text_are_shown(tmp_path):
    face_id = b"\xff.png".decode("utf-8", "surrogateescape")
    faces = [replace(face, face_id=face_id) for face in faces_of(tmp_path, "a")]
    predictions = answers(sure_of(0, 0.8))
    write_predictions(tmp_path, faces, predictions, SEVEN)
    assert (tmp_path / "predictions.csv").read_text().splitlines()[1].startswith(r"\udcff.png,")
    assert worst_errors(faces, predictions)[0].face_id == r"\udcff.png"


def test_recalls_are_compared_as_so_many_independent_faces():
    true = np.repeat([3, 5], 200)
    predicted = np.where(np.arange(400) % 200 < np.where(true == 3, 150, 120), true, 0)
    scores = score(true, predicted)
    plain = summary(scores)[-1]
    assert "cannot be distinguished" not in plain
    rows = [Detectable("emotion", emotion, 200, 40, 4.0, None, None) for emotion in ("happy", "sad")]
    p_value = chi2_contingency([[150 / 4, 50 / 4], [120 / 4, 80 / 4]]).pvalue
    said = f"The recalls of the emotions cannot be distinguished (χ² test of all, p = {p_value:.2g})"
    assert said in summary(scores, rows)[-1]


def test_few_sources_are_said_to_be_few():
    shared, alone = (Detectable("all", "", n, 9, 1.0, None, None) for n in (60, 9))
    assert "of 9 sources: too few to say" in power_sentence([shared])
    assert power_sentence([shared]).endswith("bootstrap intervals are too narrow.")
    assert "bootstrap" not in power_sentence([alone])
