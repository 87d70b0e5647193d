"""Releases of addresses rebuilt, and the sources of releases rechecked, from Python."""

import httpx
import pytest
from PIL import Image

import btfer_builder as bt
from tests.release.small_set import VISITS, redirect, small_set, tree, web_of

#: Settings of a visit to the loopback server.
LOCAL = {"allow_private_hosts": True, "timeout": 5, "tries": VISITS.tries, "progress": False}


@pytest.fixture(scope="module")
def on_the_web(tmp_path_factory):
    """Yield a workspace, and the pages of a loopback server with its photos."""
    core, _ = small_set(tmp_path_factory.mktemp("web") / "faces")
    with web_of(core, record=False) as pages:
        yield bt.open_workspace(core.root), pages


def test_a_release_of_addresses_is_rebuilt_and_loaded(on_the_web, tmp_path):
    ws, pages = on_the_web
    released = ws.release(tmp_path / "urls", urls_only=True, contact="me@uni.edu").path
    redirect(released, pages[""][1])
    with pytest.raises(bt.BtferError):
        bt.load_faces(released)
    result = bt.rebuild_release(released, **LOCAL)
    assert (result.total, result.there, result.failed) == (21, 21, {})
    assert set(bt.load_faces(released).to_frame()["face_id"]) == set(ws.sampled()["face_id"])
    face = bt.load_faces(released)[0].path
    Image.new("RGB", (48, 48)).save(face)
    with pytest.raises(
        bt.BtferError, match=r"its pixels are not those in sources.jsonl; .*rebuild_release\(\)"
    ):
        bt.load_faces(released)
    face.unlink()
    assert len(bt.load_faces(released)) == 20
    with pytest.raises(bt.BtferError, match="only releases made with urls_only are rebuilt"):
        bt.rebuild_release(ws.release(tmp_path / "images").path, **LOCAL)
    with pytest.raises(bt.BtferError, match="rebuild: unknown setting `engine`"):
        bt.rebuild_release(released, engine="bing")


def test_the_sources_are_rechecked(tmp_path):
    core, _ = small_set(tmp_path / "faces")
    with web_of(core) as pages:
        ws = bt.open_workspace(core.root)
        assert ws.recheck(**LOCAL).to_dict()["states"] == {"same": 21}
        gone = httpx.URL(ws.sampled()["url"].iloc[0]).raw_path.decode()
        pages[gone] = (410, "text/plain", b"")
        released = ws.release(tmp_path / "out").path
        before = tree(released)
        result = ws.recheck(released, **LOCAL)
    assert repr(result) == "<RecheckResult of 21 faces: 20 same, 1 vanished>"
    assert result.to_frame()["state"].value_counts().to_dict() == {"same": 20, "vanished": 1}
    assert result.path.is_file()
    assert tree(released) == before
    with pytest.raises(bt.BtferError, match=r"the release.json that release\(\) writes"):
        ws.recheck(tmp_path)


def test_the_agreement_is_a_table(on_the_web):
    agreed = on_the_web[0].agreement().to_frame()
    assert agreed[["first", "second", "items", "kappa"]].values.tolist() == [["ana", "bo", 35, 1.0]]
