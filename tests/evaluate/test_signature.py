"""The signature, the hash of a set, and the checksums of a release."""

import hashlib
import json
from pathlib import Path

import pytest
from PIL import Image

from btfer_builder.errors import BtferError
from btfer_builder.evaluate import LabelledFace, faces_in_folder
from btfer_builder.evaluate.inference.outputs import Predictions, read_labels
from btfer_builder.evaluate.signature import (
    check_hash,
    check_set,
    check_sums,
    content_digests,
    make_signature,
    parse_signature,
    set_digest,
    set_name,
)
from btfer_builder.labels import EMOTIONS
from btfer_builder.networks.preprocessing import Preprocessing


def release(root: Path, split: str = "test") -> Path:
    """Write a release as others write it: class folders in a split, metadata beside them, checksums on top."""
    lines, sums = [], []
    for number, emotion in enumerate(EMOTIONS):
        path = root / split / emotion / f"{number}.png"
        path.parent.mkdir(parents=True)
        Image.new("RGB", (8, 8), (number * 30, 0, 0)).save(path)
        name = path.relative_to(root / split).as_posix()
        lines.append(
            json.dumps({"file_name": name, "query_gender": "female", "query_language": "en", "votes": 3})
        )
        sums.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {split}/{name}")
    (root / split / "metadata.jsonl").write_text("\n".join(lines))
    (root / "SHA256SUMS").write_text("\n".join(sums) + "\n")
    return root


def test_a_release_is_a_set_with_its_name_and_attributes(tmp_path):
    root = release(tmp_path / "btfer-2026")
    faces = faces_in_folder(root)
    assert [face.emotion for face in faces] == list(EMOTIONS)
    assert faces[0].attributes["query_gender"] == "female"
    assert faces[0].attributes["language"] == "en"
    assert [face.face_id for face in faces_in_folder(root / "test")] == [face.face_id for face in faces]
    assert (set_name(root), set_name(root / "test")) == ("btfer-2026", "btfer-2026-test")
    assert set_name(tmp_path) == tmp_path.name
    said = {"name": "faces", "version": 3, "splits": {"test": {}}}
    (root / "release.json").write_text(json.dumps(said))
    assert (set_name(root), set_name(root / "test")) == ("faces-v3", "faces-v3")
    (root / "release.json").write_text(json.dumps(said | {"splits": {"test": {}, "train": {}}}))
    assert set_name(root / "test") == "faces-v3-test"
    check_sums(root, faces)
    check_sums(root / "test", faces_in_folder(root / "test"))
    with pytest.raises(BtferError, match=r"several splits \(train, val\); name one"):
        faces_in_folder(_two_splits(tmp_path / "two"))


def _two_splits(root: Path) -> Path:
    release(root, "train")
    for emotion in EMOTIONS:
        (root / "val" / emotion).mkdir(parents=True)
    return root


def test_a_changed_release_is_refused(tmp_path):
    root = release(tmp_path / "r")
    face = root / "test" / "happy" / "3.png"
    original = face.read_bytes()
    Image.new("RGB", (8, 8), (1, 2, 3)).save(face)
    with pytest.raises(BtferError, match=r"happy/3\.png: its SHA-256 is not the one in .*SHA256SUMS"):
        check_sums(root, faces_in_folder(root))
    face.write_bytes(original)
    check_sums(root, faces_in_folder(root))
    (face.parent / "extra.png").write_bytes(original)
    with pytest.raises(BtferError, match=r"extra\.png: not in"):
        check_sums(root, faces_in_folder(root))
    (face.parent / "extra.png").rename(face)
    (root / "test" / "sad" / "5.png").rename(tmp_path / "moved.png")
    (root / "test" / "sad" / "6.png").write_bytes(original)
    sums = root / "SHA256SUMS"
    sums.write_text(sums.read_text() + f"{hashlib.sha256(original).hexdigest()}  test/sad/6.png\n")
    with pytest.raises(BtferError, match=r"5\.png: missing"):
        check_sums(root, faces_in_folder(root))


def test_metadata_that_is_none(tmp_path):
    root = release(tmp_path / "r")
    (root / "test" / "metadata.jsonl").write_text('{"file_name": "x"}\nnot json')
    with pytest.raises(BtferError, match=r"metadata\.jsonl: line 2"):
        faces_in_folder(root)


def test_the_hash_of_a_set_is_that_of_its_contents_in_any_order(make_set):
    faces = make_set({"happy": [10, 20], "sad": [30]})
    digest = set_digest(faces, content_digests(faces))
    assert digest == set_digest(faces[::-1], content_digests(faces[::-1]))
    Image.new("RGB", (8, 8), (11, 11, 11)).save(faces[0].path)
    changed = set_digest(faces, content_digests(faces))
    assert changed != digest
    check_set(changed, "")
    check_set(changed, changed[:8].upper())
    # Both are shown as far as they were given: what differs may be the last digit.
    other = changed[:11] + ("0" if changed[11] != "0" else "1")
    for wrong in (digest[:8], other):
        here = changed[: len(wrong)]
        with pytest.raises(
            BtferError, match=f"its hash is {here}, expected {wrong}; .*--set-hash {here} to score"
        ):
            check_set(changed, wrong)
    with pytest.raises(BtferError, match=r"gone\.png: not a readable face image"):
        content_digests([LabelledFace(Path("gone.png"), "sad", "x")])


@pytest.mark.parametrize("malformed", ["1a2b3c4", "#1a2b3c4d", "1a2b3c4g", "1a2b 3c4d", "0" * 65])
def test_a_hash_that_is_none_is_refused(malformed):
    with pytest.raises(BtferError, match="expected 8 to 64 hexadecimal digits; take those after"):
        check_hash(malformed)
    for well in ("", "1a2b3c4D", "0" * 64):
        check_hash(well)


def test_the_signature_says_all_that_a_score_depends_on(brightness_model):
    labels = read_labels(("contempt", *EMOTIONS[1:]), brightness_model)
    preprocessing = Preprocessing(48, 64, 3, "bgr", "0,255", mean=(103.939, 116.779), std=(2.0,), crop=0.5)
    predictions = Predictions(None, None, "softmax", ("area", "none"), None, None)
    faces = [LabelledFace(Path("a"), "sad", "a")]
    signature = make_signature(
        "my set!",
        faces,
        "ab" * 32,
        preprocessing=preprocessing,
        labels=labels,
        predictions=predictions,
        leak="0/crop+photo",
    )
    head, tail = signature.split("|btfer:")
    assert head == (
        "BTFER|set:my_set_#abababab|n:1"
        "|in:64x48bgr/0,255,mean=103.939;116.779,std=2,crop=0.5,area+none|labels:6/7|leak:0/crop+photo"
    )
    parts = parse_signature(signature)
    assert (parts["set"], parts["n"], parts["leak"], parts["btfer"]) == (
        "abababab",
        "1",
        "0/crop+photo",
        tail,
    )
    assert parse_signature(signature.replace("my_set_", "renamed")) == parts, "the hash is the set"
