"""Fill every table of a catalog with made-up rows, in the proportions of a real one: for questions of scale."""

import hashlib
import json
import random
import sqlite3
from collections.abc import Iterable
from dataclasses import fields

from btfer_builder.catalog import Catalog
from btfer_builder.labels import EMOTIONS
from btfer_builder.records import Face

REVIEWERS = ("ana", "bo", "cy", "di")

#: All faces name this one file: what reads faces finds one, and none has to be written.
FACE_FILE = f"data/faces/{'0' * 16}.png"

_NOW = "2026-01-01T00:00:00.000+00:00"
_BOXES = {
    field.name: 0 for field in fields(Face) if field.name not in ("face_id", "image_id", "state", "reason", "path")
}  # fmt: skip


def fill_tables(catalog: Catalog, photos: int, seed: int = 0) -> None:
    """Write so many photos and what goes with them: 0.9 faces and 0.45 decisions a photo, copies, failures, ...

    Parameters
    ----------
    catalog
        A new catalog.
    photos
        Rows of `images`; at least 200, so that each table has some.
    seed
        Another seed makes another catalog.
    """
    rng = random.Random(seed)
    with catalog.transaction() as db:
        images = [_digest("photo", seed, number) for number in range(photos)]
        _fill_crawl(db, rng, images)
        kept = _fill_dedupe(db, rng, images)
        faces = _fill_crop(db, rng, kept)
        _fill_review(db, rng, kept, faces)
        _fill_rest(db, rng, images, faces)


def _fill_crawl(db: sqlite3.Connection, rng: random.Random, images: list[str]) -> None:
    words = [
        ("openverse", f"{emotion} {age} {gender} {number}", "en", emotion, "white", gender, age, emotion, 60)
        for number in range(1 + len(images) // 40 // 42)
        for emotion in EMOTIONS
        for gender in ("female", "male")
        for age in ("child", "adult", "senior")
    ]
    _insert(
        db, "searches",
        "search_id, engine, query, language, emotion, query_ethnicity, query_gender, query_age, expression, "
        "results_requested",
        ((number, *row) for number, row in enumerate(words, 1)),
    )  # fmt: skip
    ranks = dict.fromkeys(range(1, len(words) + 1), 0)
    candidates, fetches = [], []

    def find(url: str, license: str, found_url: str = "") -> None:
        search = rng.randint(1, len(words))
        ranks[search] += 1
        said = (
            found_url,
            f"https://pages.example/{url[-20:]}",
            "a photo",
            license,
            "",
            f"person {rng.randrange(10**6)}",
        )
        candidates.append(((search << 32) + ranks[search], search, ranks[search], url, *said))

    for number, image_id in enumerate(images):
        for address in range(2 if rng.random() < 0.04 else 1):
            url = f"https://host{rng.randrange(2000)}.example/{address}/{number}.jpg"
            find(url, rng.choice(["by", "by-sa", "cc0", "unknown"]))
            if rng.random() < 0.08:
                find(url, "unknown", f"{url}?again")
            fetches.append((url, image_id, None, 200))
        if rng.random() < 0.12:
            url = f"https://host{rng.randrange(2000)}.example/gone/{number}.jpg"
            find(url, "unknown")
            if rng.random() < 0.8:
                fetches.append((url, None, rng.choice(["not_found", "timeout", "forbidden"]), 404))
    _insert(db, "images", "image_id, path, format, bytes",
            ((image_id, f"data/images/{image_id}.jpg", "JPEG", 200_000) for image_id in images))  # fmt: skip
    _insert(
        db, "candidates",
        "candidate_id, search_id, rank, url, found_url, page_url, title, license, license_url, creator",
        candidates, attribution="", sha1="", opt_out="",
    )  # fmt: skip
    _insert(db, "fetches", "url, image_id, reason, http_status", fetches,
            detail="", content_type="image/jpeg", bytes=200_000, fetched_at=_NOW, tries=1)  # fmt: skip


def _fill_dedupe(db: sqlite3.Connection, rng: random.Random, images: list[str]) -> list[str]:
    """Return the images that are kept."""
    hashes, results, copies, kept = [], [], {}, []
    look: dict[str, int] = {}
    for image_id in images:
        copied = rng.choice(kept) if kept and rng.random() < 0.08 else None
        if copied:  # a smaller copy; two at most differ in four bits
            look[image_id] = look[copied] ^ (1 << rng.randrange(64)) ^ (1 << rng.randrange(64))
            copies[copied] = copies.get(copied, 0) + 1
            results.append((image_id, "dropped", "near_duplicate", copied, "near", 2, 0))
        elif rng.random() < 0.01:
            look[image_id] = 0
            results.append((image_id, "dropped", "unreadable", None, None, None, 0))
        else:
            look[image_id] = rng.getrandbits(64)
            kept.append(image_id)
            results.append((image_id, "kept", None, None, None, None, rng.random() < 0.02))
        reason = "unreadable" if results[-1][2] == "unreadable" else None
        fine = f"{rng.getrandbits(256):064x}"
        parts = "".join(f"{rng.getrandbits(64):016x}" for _ in range(8))
        side = 500 if copied else rng.randint(1000, 1400)
        hashes.append(
            (
                image_id,
                side,
                side,
                image_id,
                *_hex(look[image_id], rng.getrandbits(64)),
                reason,
                fine,
                fine,
                parts,
            )
        )
    _insert(
        db,
        "hashes",
        "image_id, width, height, pixel_sha256, phash, phash_mirrored, reason, "
        "phash_256, phash_256_mirrored, parts",
        hashes,
        detail="",
    )
    _insert(
        db, "likenesses", "image_id, item_id",
        (sorted((row[0], row[3])) for row in results if row[3]), mirrored=0, likeness=0.99,
    )  # fmt: skip
    _insert(db, "dedupes", "image_id, state, reason, duplicate_of, kind, distance, conflict", results)
    _insert(
        db,
        "duplicate_groups",
        "item_id, copies",
        copies.items(),
        kind="image",
        diameter=2,
        kept_because="pixels",
    )
    return kept


def _fill_crop(db: sqlite3.Connection, rng: random.Random, kept: list[str]) -> list[tuple[str, str]]:
    """Return the (face_id, image_id) of the faces that are kept."""
    settings = json.dumps({"size": 256, "margin": 20})
    crops, faces, hashes, results, copies = [], [], [], [], {}
    going_on: list[tuple[str, str]] = []
    for image_id in kept:
        count = rng.choices((0, 1, 2), (7, 86, 7))[0]
        crops.append((image_id, settings, None if count else "no_face"))
        for number in range(count):
            face_id = _digest("face", image_id, number)[:16]
            if rng.random() < 0.05:
                faces.append((face_id, image_id, "dropped", "too_small", None, *_BOXES.values()))
                continue
            faces.append((face_id, image_id, "kept", None, FACE_FILE, *_BOXES.values()))
            hashes.append((face_id, *_hex(*(rng.getrandbits(64) for _ in range(4)))))
            copied = rng.choice(going_on)[0] if going_on and rng.random() < 0.02 else None
            if copied:
                copies[copied] = copies.get(copied, 0) + 1
                results.append((face_id, "dropped", "near_duplicate", copied, "near", 2, 0.1, 0))
            else:
                results.append((face_id, "kept", None, None, None, None, None, rng.random() < 0.01))
                going_on.append((face_id, image_id))
    _insert(db, "crops", "image_id, settings, reason", crops, detail="")
    _insert(db, "faces", ", ".join(["face_id, image_id, state, reason, path", *_BOXES]), faces)
    _insert(
        db, "face_hashes", "face_id, phash, phash_mirrored, phash_48, phash_48_mirrored", hashes,
        phash_256="0" * 64, phash_256_mirrored="0" * 64, phash_256_48="0" * 64, phash_256_48_mirrored="0" * 64,
    )  # fmt: skip
    columns = "face_id, state, reason, duplicate_of, kind, distance, difference, conflict"
    _insert(db, "face_dedupes", columns, results)
    _insert(
        db,
        "duplicate_groups",
        "item_id, copies",
        copies.items(),
        kind="face",
        diameter=2,
        kept_because="earliest",
    )
    return going_on


def _fill_review(
    db: sqlite3.Connection, rng: random.Random, kept: list[str], faces: list[tuple[str, str]]
) -> None:
    decisions: list[tuple[object, ...]] = []

    def echo_stderr(kind: str, item_id: str, reviewer: str, adjudicates: bool = False) -> None:
        verdict = rng.choices(("accept", "reject", "skip"), (90, 8, 2))[0]
        emotion = rng.choice(EMOTIONS) if verdict == "accept" else None
        reason = "low_quality" if verdict == "reject" else None
        row = (kind, item_id, verdict, emotion, reason, reviewer, adjudicates, None)
        decisions.append((len(decisions) + 1, *row))
        if rng.random() < 0.02:
            undoing = (kind, item_id, "undo", None, None, reviewer, adjudicates, len(decisions))
            decisions.append((len(decisions) + 1, *undoing))

    for face_id, _ in faces:
        if rng.random() < 0.35:
            for reviewer in REVIEWERS[: rng.choices((1, 2, 3, 4), (75, 15, 6, 4))[0]]:
                echo_stderr("face", face_id, reviewer)
            if rng.random() < 0.01:
                echo_stderr("face", face_id, "eve", adjudicates=True)
    for image_id in kept:
        if rng.random() < 0.04:
            echo_stderr("image", image_id, rng.choice(REVIEWERS))
    columns = "decision_id, kind, item_id, verdict, emotion, reason, reviewer, adjudicates, undoes"
    _insert(db, "decisions", columns, decisions, decided_at=_NOW)


def _fill_rest(
    db: sqlite3.Connection, rng: random.Random, images: list[str], faces: list[tuple[str, str]]
) -> None:
    """Fill what is measured, drawn, released, compared, and what was taken down."""
    _insert(db, "sharpness", "image_id, sharpness", ((image_id, rng.random()) for image_id in images))
    chances = json.dumps([0.1] * len(EMOTIONS))
    _insert(
        db, "predictions", "face_id", ((face_id,) for face_id, _ in faces), model="m", probabilities=chances
    )
    drawn = faces[:: max(1, len(faces) // 2100)]
    sample = [(face_id, EMOTIONS[rank % 7], rank, f"data/sample/{face_id}.png") for rank, (face_id, _) in
              enumerate(drawn)]  # fmt: skip
    _insert(db, "sample", "face_id, emotion, rank, path", sample, split="test", sha256="0" * 64)
    left = ((face_id, "sad", rank) for rank, (face_id, _) in enumerate(faces) if rank % 2)
    _insert(db, "undrawn", "face_id, emotion, rank", left, reason="not_drawn")
    _insert(db, "purged", "kind, item_id", (("image", image_id) for image_id in images[::50]),
            bytes=200_000, kept="sample", purged_at=_NOW)  # fmt: skip
    _insert(db, "releases", "version, content_hash", [(1, "0" * 64)], made_at=_NOW)
    _insert(db, "release_faces", "face_id, emotion", (row[:2] for row in sample), version=1, split="test")
    _insert(db, "release_copies", "path, version, recipe", [("/a/release", 1, "{}")])
    for source in ("set", "other set"):
        _insert(db, "training_sets", "source, name", [(source, source)], digest="", images=9, dropped=0, radius=8,
                fine_radius=40, checked_at=_NOW)  # fmt: skip
        _insert(db, "compared_faces", "face_id", ((face_id,) for face_id, _ in faces), source=source)
        _insert(
            db,
            "reference_pictures",
            "source, name",
            [(source, "9.png")],
            stamp="1-1",
            faces="[]",
            settings="{}",
        )
        leaked = ((face_id, "9.png") for face_id, _ in faces[::200])
        _insert(db, "leaks", "face_id, item", leaked, source=source, kind="near", form="crop", distance=2,
                fine_distance=9)  # fmt: skip
    buried = (
        (
            _digest("url", number),
            _digest("image", number),
            _digest("face", number)[:16],
            *_hex(*[rng.getrandbits(64)] * 2),
        )
        for number in range(1 + len(images) // 5000)
    )
    _insert(
        db,
        "tombstones",
        "url_sha256, image_id, face_id, phash, phash_mirrored",
        buried,
        taken_down_at=_NOW,
        reason="",
    )
    _insert(
        db, "engine_requests", "engine, account, sent_at", (("openverse", "", float(n)) for n in range(200))
    )
    _insert(db, "intentions", "path", [("data/faces",)], stage="crop", begun_at=_NOW)
    _insert(db, "runs", "command, outcome", [("crawl", "done")], recipe="{}", version="0", started_at=_NOW,
            ended_at=_NOW)  # fmt: skip


def _insert(
    db: sqlite3.Connection, table: str, columns: str, rows: Iterable[tuple[object, ...]], **extra: object
) -> None:
    names = [*columns.split(", "), *extra]
    sql = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    db.executemany(sql, ((*row, *extra.values()) for row in rows))


def _digest(*parts: object) -> str:
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()


def _hex(*looks: int) -> tuple[str, ...]:
    return tuple(f"{look:016x}" for look in looks)
