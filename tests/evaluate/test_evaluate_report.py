"""What is written for people: the table, the page, the plot."""

import csv
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from btfer_builder.emotions import EMOTIONS
from btfer_builder.evaluate import LabelledFace
from btfer_builder.evaluate.metrics import score
from btfer_builder.evaluate.plot import confusion_png
from btfer_builder.evaluate.predict import Predictions
from btfer_builder.evaluate.report import (
    Results,
    report_html,
    summary,
    worst_errors,
    write_predictions,
)


def answers(*rows):
    table = np.array(rows, dtype=np.float64)
    return Predictions(table, np.nanargmax(table, axis=1), False, ("none",))


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
    write_predictions(tmp_path / "p.csv", faces, answers(first, *[sure_of(1, 0.9)] * 3))
    rows = list(csv.DictReader(io.StringIO((tmp_path / "p.csv").read_text())))
    assert list(rows[0]) == [
        "face_id",
        "path",
        "emotion",
        "predicted",
        "correct",
        *(f"p_{e}" for e in EMOTIONS),
    ]
    assert [row["face_id"] for row in rows] == ["'=1+1", "'@x", 'plain, with "quotes"', "'-2"]
    assert [row["correct"] for row in rows] == ["true", "false", "false", "false"]
    assert rows[0]["p_sad"] == "0.700000"
    assert rows[0]["p_happy"] == ""
    assert rows[1]["predicted"] == "disgust"


def test_worst_errors_are_the_surest_dozen(tmp_path):
    faces = faces_of(tmp_path, *(f"id{number:02d}" for number in range(15)))
    errors = worst_errors(faces, answers(sure_of(5, 0.99), *(sure_of(2, 0.4 + i / 100) for i in range(14))))
    assert [error.face_id for error in errors] == [f"id{number:02d}" for number in range(14, 2, -1)]
    assert {(error.true, error.predicted) for error in errors} == {("sad", "fear")}
    assert errors[0].confidence == pytest.approx(0.53)


def test_the_page_is_whole_and_escapes_names(tmp_path):
    faces = faces_of(tmp_path, "<script>alert(1)</script>", "b")
    predictions = answers(sure_of(0, 0.8), sure_of(5, 0.6))
    scores = score([5, 5], predictions.predicted)
    plot = confusion_png(scores.confusion)
    fed = {"width": 48, "height": 48, "channels": 3, "color": "rgb", "scale": "-1,1"}
    fed |= {"interpolation": ["area", "cubic"], "labels": ["<i>"]}
    results = Results(
        "a&b.keras", "<set>", scores, "BTFER|n:2", ("<b>note",), fed, {"keras": "3"}, plot, plot
    )
    page = report_html(results, faces, predictions).decode()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "a&amp;b.keras" in page
    assert "&lt;b&gt;note" in page
    assert "BTFER|n:2" in page
    assert "50.0%" in page
    assert not re.search(r"https?:|url\(|@import|<link|<iframe", page)
    assert set(re.findall(r"""(?:src|srcset|href)=["']([^"']{0,21})""", page)) == {
        "data:image/png;base64"[:21]
    }


def test_thumbnails_fit_the_frame(tmp_path):
    import base64

    faces = faces_of(tmp_path, "wide")
    (error,) = worst_errors(faces, answers(sure_of(0, 0.8)))
    picture = Image.open(io.BytesIO(base64.b64decode(error.picture.partition(",")[2])))
    assert (picture.format, picture.size) == ("PNG", (96, 48))


def test_the_summary_says_how_good_and_where_it_fails():
    text = " ".join(summary(score([0, 0, 0, 3, 3], [0, 2, 2, 3, 3])))
    assert "3 of 5 faces, 60.0%" in text
    assert "largest class would get 60.0%" in text
    assert "happy best (100.0% of its faces) and angry least (33.3%; most often it takes it for fear)" in text
    assert "least" not in " ".join(summary(score([0, 3], [0, 3])))


def test_the_plot_shades_what_the_counts_say():
    counts = [[0] * 7 for _ in range(7)]
    counts[0][0] = 12345
    counts[1][6] = 1
    pictures = [
        np.asarray(Image.open(io.BytesIO(confusion_png(counts, dark=dark))).convert("RGB")) for dark in (0, 1)
    ]
    for picture, full in zip(pictures, [(31, 95, 191), (127, 178, 255)], strict=True):
        assert picture.shape == (1060, 1280, 3)
        cells = np.argwhere((picture == full).all(axis=2))
        # The two full cells: angry as angry on the top left, disgust as surprise right of it and lower.
        assert cells[:, 0].min() < 150
        assert len(cells) > 2 * 100 * 100
    assert pictures[0][0, 0].tolist() == [255, 255, 255]
    assert pictures[1][0, 0].tolist() == [23, 25, 29]


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
    write_predictions(tmp_path / "p.csv", faces, predictions)
    assert (tmp_path / "p.csv").read_text().splitlines()[1].startswith(r"\udcff.png,")
    assert worst_errors(faces, predictions)[0].face_id == r"\udcff.png"
