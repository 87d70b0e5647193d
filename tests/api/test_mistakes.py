"""A user's mistake is a `BtferError` of one line, and nothing is half written."""

import functools
import shutil
import threading

import numpy as np
import pandas as pd
import pytest

import btfer_builder as bt
from tests.api.conftest import always_happy, quiet_workspace

pytestmark = pytest.mark.xdist_group("api")

CLASSES = 7


def uniform(batch):
    return np.full((len(batch), CLASSES), 1 / CLASSES)


def stop(_batch):
    raise SystemExit(3)


class NeedsGrad:
    """As a tensor of PyTorch that requires a gradient."""

    def __array__(self, *_, **__):
        raise RuntimeError("use tensor.detach().numpy() instead")


@pytest.fixture(scope="module")
def faces(place):
    return bt.load_faces(place / "photos")


@pytest.fixture(scope="module")
def report(faces):
    return bt.evaluate(uniform, faces, resamples=0)


def wrong(message, function, *args, **settings):
    with pytest.raises(bt.BtferError, match=message) as error:
        function(*args, **settings)
    return str(error.value)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (stop, "stop: fails on a batch of 14: 3"),
        (lambda batch: uniform(batch) * 1j, "scores are complex numbers"),
        (lambda batch: NeedsGrad(), "detach"),
        (lambda batch: ["happy"] * len(batch), "could not convert string to float"),
        (lambda batch: None, r"returns the shape \(\)"),
        (lambda batch: uniform(batch)[1:], r"returns the shape \(13, 7\)"),
        (lambda batch: [[1, 2], [1]], "fails on a batch of 14"),
        (lambda: 1, "takes 0 positional arguments"),
        ("x" * 5000, "File name too long"),
        ("", "expected a path"),
        ("a\0b", "expected a path"),
    ],
)
def test_a_model(faces, model, message):
    assert "\n" not in wrong(message, bt.evaluate, model, faces, resamples=0)


def test_the_number_of_classes_must_not_vary(faces):
    sizes = iter([7, 6])
    message = wrong(".", bt.evaluate, lambda batch: np.ones((len(batch), next(sizes))), faces, batch_size=10)
    assert "6" in message


def test_a_keyboard_interrupt_stays_one(faces):
    def interrupted(_batch):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bt.evaluate(interrupted, faces, progress=False)
    assert bt.evaluate(uniform, faces, resamples=0).n == 14


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": 5}, "name: expected at most 100 characters without a slash"),
        ({"name": "org/model"}, "without a slash, got 'org/model'"),
        ({"name": "x" * 200}, "at most 100 characters"),
        ({"mean": 0.5}, "does its own preprocessing, so mean has no effect"),
        ({"resolutions": 1}, "^resolutions: expected sides"),
        ({"set_hash": "zzz"}, "^set_hash='zzz': expected"),
        ({"labels": {"angry": 0}}, "eval.labels: Expected a list, got a dict"),
        ({"labels": "angry"}, "7 outputs but 1 label"),
        ({"labels": ["angry", "anger", "fear", "happy", "neutral", "sad", "surprise"]}, "mean angry"),
        ({"size": pd.NA}, "eval.size: Expected `int`"),
        ({"training_data": 5}, "expected a path, got an object of the type int"),
    ],
)
def test_a_setting_of_a_score(faces, settings, message):
    wrong(message, bt.evaluate, uniform, faces, **settings)


@pytest.mark.parametrize(
    "labels", [dict.fromkeys(bt.EMOTIONS).keys(), pd.Index(bt.EMOTIONS), iter(bt.EMOTIONS)]
)
def test_labels_of_every_kind(faces, labels):
    assert bt.evaluate(functools.partial(uniform), faces, labels=labels, resamples=0).model == "uniform"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "expected a path, got ''"),
        ("a\0b", "expected a path"),
        ("x" * 5000, "File name too long"),
        (["photos"], "a list of faces has an object of the type str"),
        ([1], "a list of faces has an object of the type int"),
    ],
)
def test_faces(source, message):
    wrong(message, bt.evaluate, uniform, source)


def test_the_folder_of_a_workspace_is_its_sample(ws):
    assert bt.load_faces(ws.root).to_frame().equals(ws.load_faces().to_frame())


def test_a_report(report, tmp_path):
    (tmp_path / "file").write_text("mine")
    comparison = bt.compare([report])
    assert repr(comparison) == "<Comparison of 1 model on 1 set>"
    for result in (report, comparison):
        for folder in (tmp_path / "file", tmp_path / "file" / "x"):
            wrong("cannot be written", result.save, folder)
        wrong("expected a path, got ''", result.save, "")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    for name in (None, 5, ["accuracy"]):
        wrong("unknown metric", report.interval, name)
    for reports in (None, 5, report, "reports", {"a": report}):
        wrong("compare takes a list of reports", bt.compare, reports)
    wrong("make one with evaluate", bt.compare, [tmp_path])


@pytest.mark.parametrize("round_name", ["face", None, ["faces"], 5])
def test_a_round(ws, round_name):
    for method in (ws.review, ws.agreement):
        wrong("round: .* is not one of images, faces", method, round_name)
    if round_name is not None:
        wrong("is not one of images, faces", ws.export_decisions, round=round_name)


def test_decisions(ws):
    face = {"item_id": ws.faces()["face_id"].iloc[0], "kind": "face", "verdict": "accept", "reviewer": "zed"}
    before = len(ws.decisions())
    for table in (None, 5, face, [face], np.array([[1]]), pd.Series([1])):
        wrong("expected a path, got an object of the type", ws.import_decisions, table)
    for table in (
        pd.DataFrame(),
        pd.DataFrame([face | {"verdict": "yes"}]),
        pd.DataFrame([face, face | {"item_id": "unknown"}]),
        pd.DataFrame([face | {"emotion": "hapy"}]),
        pd.concat([pd.DataFrame([face])] * 2, axis=1),
    ):
        wrong("the table: ", ws.import_decisions, table)
    assert len(ws.decisions()) == before
    wrong(r"review: unknown setting `port`", ws.import_decisions, pd.DataFrame([face]), port=5)


def test_other_arguments_of_a_workspace(ws, place):
    for target in (None, 5, b"x", ["a"]):
        wrong("takedown takes an id", ws.takedown, target, dry_run=True)
    wrong("keep: 'all' is not one of release, sample", ws.purge, "all")
    wrong("a reason as text", ws.takedown, "x", reason=5)
    wrong("is not a known face id", ws.takedown, "x", dry_run=True)
    wrong("expected a path, got an object of the type int", ws.remove_leakage_set, 5)
    wrong("include_unlicensed$", ws.release, place / "unlicensed")
    assert not (place / "unlicensed").exists()
    wrong(r"smaller per_class or allow_short$", ws.sample, per_class=50)
    wrong("name it with path$", ws.crawl, engine="folder")
    wrong("license.*xx|xx.*license|sample.license", ws.sample, license="xx")
    assert list(ws.check_engines(engine="folder").columns)[:2] == ["engine", "ok"]


def test_what_is_long_is_shown_in_a_line(ws, place, tmp_path):
    assert repr(bt.hash_images(place / "photos", tmp_path / "h.csv", workers=0)) == (
        "<HashManifest: 14 images, 0 dropped>"
    )
    released = ws.release(tmp_path / "out", include_unlicensed=True)
    assert (
        repr(released)
        == f"<ReleaseResult {str(tmp_path / 'out')!r}: version {released.statistics.version} with 14 faces>"
    )


def test_arguments_of_functions(place, tmp_path):
    wrong(
        "kind: 'rafd' is not one of .*; did you mean `rafdb`",
        bt.import_dataset,
        "rafd",
        place,
        tmp_path / "x",
    )
    wrong(r"Create one with: create_workspace\('", bt.open_workspace, tmp_path)
    for option in ({"pretraining": "imagnet"}, {"head": "gapp"}, {"units": "256"}):
        wrong("is not one of", bt.list_networks, "resnet18", **option)
        wrong("is not one of", bt.list_layers, "resnet18", **option)
    wrong("expected names of networks", bt.list_networks, ["resnet18"])
    wrong("sizes: '48' is not a whole number", bt.list_networks, "resnet18", sizes=["48"])
    wrong("expected names of networks", bt.list_layers, ["resnet18"])
    wrong("size: '48' is not a whole number", bt.list_layers, "resnet18", "48")
    wrong("size: 4.8 is not a whole number", bt.list_layers, "resnet18", 4.8)
    wrong(
        "convert: unknown|unknown setting `corruptions`",
        bt.convert,
        "model.keras",
        "tflite",
        corruptions=True,
    )
    (tmp_path / "model.keras").touch()
    wrong(r"quantize is for to='tflite'", bt.convert, tmp_path / "model.keras", "onnx", quantize="int8")


def test_a_grid(place, tmp_path):
    wrong("cannot be read: Is a directory", bt.plan_benchmark, tmp_path)
    wrong("no such file; write one", bt.plan_benchmark, tmp_path / "benchmark.toml")
    wrong(
        "train.sise|unknown setting `sise`",
        bt.plan_benchmark,
        datasets={"a": place / "photos"},
        train={"sise": 1},
    )
    wrong("the grid sets this", bt.plan_benchmark, datasets={"a": place / "photos"}, train={"size": 48})


def test_settings_of_a_grid_that_are_not_given_keep_the_values_of_the_file(ws, place, tmp_path):
    file = tmp_path / "benchmark.toml"
    text = f'networks = ["lenet5"]\n[datasets]\na = "{place / "photos"}"\n[train]\nbatch_size = 4\n'
    file.write_text(text + "early_stopping_patience = 3\n")
    both = bt.plan_benchmark(file)["run_id"].tolist()
    file.write_text(text)
    assert bt.plan_benchmark(file)["run_id"].tolist() != both
    assert bt.plan_benchmark(file, btfer=ws)["finished"].tolist() == [False, False]
    for name in ("early_stopping_patience", "stop_patience"):  # the name of now, and that of 0.1
        assert bt.plan_benchmark(file, train={name: 3})["run_id"].tolist() == both


@pytest.mark.parametrize("used", [False, True])
def test_a_workspace_that_is_moved_meanwhile(tmp_path, used):
    workspace = quiet_workspace(tmp_path / "faces")
    if used:
        workspace.funnel()
    shutil.move(tmp_path / "faces", tmp_path / "moved")
    for name in (
        "dedupe",
        "crop",
        "queries",
        "sample",
        "load_faces",
        "compare",
        "agreement",
        "export_decisions",
    ):
        wrong("is not a workspace", getattr(workspace, name))
    wrong("is not a workspace", workspace.takedown, "x")
    wrong("is not a workspace", workspace.release, tmp_path / "release")
    assert [path.name for path in tmp_path.iterdir()] == ["moved"]
    assert len(bt.open_workspace(tmp_path / "moved").faces()) == 0


def test_threads_and_two_objects_share_a_workspace(ws):
    again, counts = bt.open_workspace(ws.root), []

    def count():
        counts.extend(len(table) for table in (ws.faces(), again.faces(), ws.funnel()))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [14, 14, 7] * 4


def test_a_sample_shows_itself(ws):
    drawn = ws.sample(per_class=2, progress=False)
    html = drawn._repr_html_()
    assert "Sample of 14 faces: 14 in test" in html
    assert html.count("<tr") == 5
    assert "NaN" not in html


def test_always_happy_is_scored_on_the_workspace_with_its_training_domain(ws, place):
    wrong("no such folder", ws.evaluate, always_happy, training_data=place / "nowhere")
