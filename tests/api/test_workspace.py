"""A workspace from Python: the same stages, settings and errors as the commands."""

import asyncio

import numpy as np
import pytest

import btfer_builder as bt
from btfer_builder.cli.main import main
from tests.api.conftest import quiet_workspace

pytestmark = pytest.mark.xdist_group("api")


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        ("crawl", {"per_qury": 3}, r"crawl: unknown setting `per_qury`; did you mean `per_query`\?"),
        ("crawl", {"emotion": ["hapy"]}, r"crawl.emotion\[0\]: .*did you mean `happy`\?"),
        ("crawl", {"path": "x"}, "^path is for the engines urls and folder: name one with engine$"),
        ("dedupe", {"raduis": 3}, r"dedupe: unknown setting `raduis`; did you mean `radius`\?"),
        ("crop", {"fit": "squar"}, r"crop.fit: .*did you mean `square`\?"),
        ("crop", {"margin": 128}, "leave nothing of 256"),
        ("sample", {"per_class": 0}, "sample.per_class: Expected `int` >= 1"),
        ("sample", {"per_class": 3}, r"too few faces \(missing: angry 1, .*\); nothing was written"),
        ("compare", {}, "has no reports yet"),
        ("queries", {"language": {"es": 1}}, "queries.language: Expected a list, got a dict"),
        ("agreement", {}, "no two reviewers have answered the same face yet"),
        ("export_decisions", {"blnd": True}, r"review: unknown setting `blnd`; did you mean `blind`\?"),
    ],
)
def test_errors_are_those_of_the_recipe(ws, method, settings, message):
    with pytest.raises(bt.BtferError, match=message):
        getattr(ws, method)(progress=False, **settings)


def test_every_kind_of_value_that_a_notebook_has_is_taken(ws):
    few = ws.queries(language=("es",), emotion={"sad"}, gender=np.array(["female"]), no_minors=np.bool_(True))
    assert few["emotion"].unique().tolist() == ["sad"]
    assert ws.queries(language="es", emotion="sad")["emotion"].unique().tolist() == ["sad"]
    assert ws.sample(per_class=np.int64(2), seed=None).per_class["sad"] == 2


def test_an_old_name_of_a_setting_is_taken(ws, place):
    before = len(ws.candidates())
    ws.crawl(engine=["folder"], path=place / "photos", deadline=20, progress=False)
    assert len(ws.candidates()) == before


def test_tables_say_what_the_csv_files_say(ws):
    import pandas as pd

    for name, table in {"images": ws.images(), "faces": ws.faces(), "sample": ws.sampled()}.items():
        path = ws.root / "manifests" / f"{name}.csv"
        assert table.columns.tolist() == pd.read_csv(path).columns.tolist()
        assert len(table) == len(pd.read_csv(path))


def test_the_funnel_adds_up_and_is_the_commands(ws, capsys):
    import json

    funnel = ws.funnel()
    assert (funnel["in"] == funnel["kept"] + funnel["dropped"]).all()
    assert (funnel[list(bt.EMOTIONS)].sum(axis=1) == funnel["kept"]).all()
    main(["status", "--json", "-w", str(ws.root)], standalone_mode=False)
    stages = json.loads(capsys.readouterr().out)["stages"]
    assert [(stage["stage"], stage["in"], stage["kept"]) for stage in stages] == [
        *funnel[["in", "kept"]].itertuples(name=None)
    ]


def test_a_crawl_works_where_an_event_loop_runs_already(place, tmp_path):
    workspace = quiet_workspace(tmp_path / "faces")

    async def cell():
        return workspace.crawl(engine=["folder"], path=place / "photos", emotion=["happy"])

    assert asyncio.run(cell())["kept"].item() == 2


def test_a_list_with_columns_of_its_own_is_crawled(place, tmp_path):
    workspace = quiet_workspace(tmp_path / "faces")
    rows = ["bild,alt", "http://127.0.0.1:1/a.jpg,smiling", "http://127.0.0.1:1/b.jpg,a tree"]
    (tmp_path / "list.csv").write_text("\n".join(rows))
    settings = {
        "engine": ["urls"],
        "path": tmp_path / "list.csv",
        "emotion": ["happy"],
        "where_caption": "smil",
    }
    with pytest.raises(
        bt.BtferError, match=r"no row has a caption for where_caption; .* column=\{'title': NAME\}"
    ):
        workspace.crawl(**settings, column={"url": "bild"})
    funnel = workspace.crawl(**settings, column={"url": "bild", "title": "alt"})
    assert funnel["in"].item() == 1


def test_progress_can_be_hidden(place, tmp_path, capfd):
    workspace = quiet_workspace(tmp_path / "faces")
    workspace.crawl(engine=["folder"], path=place / "photos", emotion=["happy"], progress=False)
    workspace.dedupe(progress=False)
    message = capfd.readouterr().err  # about the folders of other emotions
    assert message.count("\n") == 1
    assert "not among emotion happy" in message
    workspace.dedupe()
    workspace.crawl(engine=["folder"], path=place / "photos", emotion=["sad"])
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "crawl: 2/2 files" in captured.err


def test_the_review_page_runs_beside_the_notebook(ws):
    import httpx

    page = ws.review("faces", reviewer="bo", port=0)
    token = httpx.URL(page.url).params["token"]
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}) as client:
        items = client.get(httpx.URL(page.url).copy_with(path="/api/items", query=b"round=faces"))
    assert len(items.json()["items"]) == 14
    page.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(page.url)
    with pytest.raises(bt.BtferError, match=r"^blind cannot be used with adjudicate or model"):
        ws.review(blind=True, adjudicate=True, port=0)
    with pytest.raises(bt.BtferError, match="not one of the reviewers"):
        ws.review(reviewer="cy", reviewers=["ana", "bo"], port=0)


def test_a_damaged_catalog_is_one_clear_error(tmp_path):
    workspace = bt.create_workspace(tmp_path / "faces")
    workspace.funnel()
    for path in (workspace.root / "manifests").glob("btfer.sqlite*"):
        path.unlink()
    (workspace.root / "manifests" / "btfer.sqlite").write_bytes(b"no catalog" * 1000)
    with pytest.raises(bt.BtferError, match="restore it from a backup"):
        bt.open_workspace(workspace.root).funnel()
