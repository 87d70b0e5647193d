"""The views of the catalog give the same rows as their plain definitions, on random catalogs."""

import random

import pytest

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.funnel import funnel

#: The views as 0.1.0 defined them: slow, and taken as what is right.
PLAIN = """
CREATE TEMP VIEW plain_fates AS
SELECT c.candidate_id, f.image_id,
       CASE WHEN f.url IS NULL THEN 'waiting'
            WHEN f.image_id IS NOT NULL AND c.candidate_id = first_value(c.candidate_id) OVER of_image
            THEN 'kept' ELSE 'dropped' END AS state,
       CASE WHEN f.url IS NULL THEN NULL
            WHEN c.candidate_id <> first_value(c.candidate_id) OVER of_url THEN 'same_url'
            WHEN f.reason IS NOT NULL THEN f.reason
            WHEN c.candidate_id <> first_value(c.candidate_id) OVER of_image THEN 'same_bytes' END AS reason
FROM candidates c JOIN searches s USING (search_id) LEFT JOIN fetches f USING (url)
WINDOW of_image AS (PARTITION BY f.image_id ORDER BY c.candidate_id),
       of_url AS (PARTITION BY c.url ORDER BY c.candidate_id);
CREATE TEMP VIEW plain_images AS
SELECT i.image_id, coalesce(v.emotion, s.emotion) AS emotion, d.state, d.reason, h.width, c.url, l.license, s.query,
       c.candidate_id, coalesce(d.conflict, 0) AND v.emotion IS NULL AS conflict, v.verdict, v.reason AS verdict_reason
FROM images i
JOIN candidates c ON c.candidate_id = (
    SELECT min(first.candidate_id) FROM fetches f JOIN candidates first USING (url) WHERE f.image_id = i.image_id)
JOIN candidates l ON l.candidate_id = (
    SELECT said.candidate_id FROM fetches f JOIN candidates said USING (url) WHERE f.image_id = i.image_id
    ORDER BY said.license = 'unknown', said.candidate_id LIMIT 1)
JOIN searches s ON s.search_id = c.search_id
LEFT JOIN hashes h ON h.image_id = i.image_id
LEFT JOIN dedupes d ON d.image_id = i.image_id
LEFT JOIN vote_counts v ON v.kind = 'image' AND v.item_id = i.image_id;
CREATE TEMP VIEW plain_copies AS
SELECT d.* FROM face_dedupes d LEFT JOIN faces keeper ON keeper.face_id = d.duplicate_of AND keeper.state = 'kept'
WHERE d.state = 'dropped' AND (d.duplicate_of IS NULL OR keeper.face_id IS NOT NULL);
CREATE TEMP VIEW plain_faces AS
SELECT f.face_id, f.image_id, CASE WHEN copy.face_id IS NULL THEN f.state ELSE 'dropped' END AS state,
       coalesce(f.reason, copy.reason) AS reason, coalesce(v.emotion, i.emotion) AS emotion,
       (i.conflict OR coalesce(d.conflict, 0)) AND v.emotion IS NULL AS conflict,
       v.verdict, v.reason AS verdict_reason, v.votes, v.adjudicated, i.url, i.license, i.query, i.candidate_id
FROM faces f JOIN plain_images i ON i.image_id = f.image_id AND i.state = 'kept' AND i.verdict IS NOT 'reject'
LEFT JOIN face_dedupes d ON d.face_id = f.face_id
LEFT JOIN plain_copies copy ON copy.face_id = f.face_id AND f.state = 'kept'
LEFT JOIN vote_counts v ON v.kind = 'face' AND v.item_id = f.face_id;
"""
PAIRS = {
    "plain_fates": "candidate_fates",
    "plain_images": "image_rows",
    "plain_copies": "face_copies",
    "plain_faces": "face_rows",
}


@pytest.mark.parametrize("seed", range(12))
def test_views_give_what_their_plain_definitions_give(tmp_path, seed):
    catalog = random_catalog(tmp_path, seed)
    catalog.connection.executescript(PLAIN)
    for plain, view in PAIRS.items():
        columns = ", ".join(row["name"] for row in catalog.rows(f"PRAGMA table_info({plain})"))
        expected = sorted(map(repr, map(tuple, catalog.rows(f"SELECT {columns} FROM {plain}"))))
        assert sorted(map(repr, map(tuple, catalog.rows(f"SELECT {columns} FROM {view}")))) == expected, view
        assert expected or seed


@pytest.mark.parametrize("seed", range(12))
def test_ballots_give_what_counting_by_hand_gives(tmp_path, seed):
    catalog = random_catalog(tmp_path, seed)
    rule = tuple(catalog.rows("SELECT min_votes, agreement FROM consensus")[0])
    decisions = [dict(row) for row in catalog.rows("SELECT * FROM decisions ORDER BY decision_id")]
    undone = {decision["undoes"] for decision in decisions}
    words = {}
    for said in decisions:
        if said["verdict"] != "undo" and said["decision_id"] not in undone:
            words[said["kind"], said["item_id"], said["reviewer"], said["adjudicates"]] = said
    assert {row[0] for row in catalog.rows("SELECT decision_id FROM current_decisions")} == {
        said["decision_id"] for said in words.values()
    }
    by_item = {}
    for said in words.values():
        if said["verdict"] != "skip":
            by_item.setdefault((said["kind"], said["item_id"]), []).append(said)
    expected = {item: outcome(said, *rule) for item, said in by_item.items()}
    found = {
        (row["kind"], row["item_id"]): ((row["verdict"], row["emotion"]), row["votes"], row["adjudicated"])
        for row in catalog.rows("SELECT * FROM vote_counts")
    }
    assert found == expected


def test_every_stage_adds_up_on_random_catalogs(tmp_path):
    catalog = random_catalog(tmp_path, 3)
    stages = {stage.stage: stage for stage in funnel(catalog)}
    assert all(stage.came_in == stage.kept + sum(stage.dropped.values()) for stage in stages.values())
    kept = catalog.value("SELECT count(*) FROM face_rows WHERE state = 'kept' AND verdict = 'accept'")
    assert stages["review-faces"].kept == kept
    assert funnel(catalog, ["crop"]) == [stages["crop"]]


def outcome(said, min_votes, agreement):
    votes, adjudicated = {}, None
    for word in sorted(said, key=lambda word: word["decision_id"]):
        answer = (word["verdict"], word["emotion"])
        if word["adjudicates"]:
            adjudicated = answer
        else:
            votes[answer] = votes.get(answer, 0) + 1
    ranked = sorted(votes.items(), key=lambda vote: (-vote[1], vote[0][1] or vote[0][0]))
    spread = ";".join(f"{emotion or verdict}:{count}" for (verdict, emotion), count in ranked) or None
    if adjudicated:
        return adjudicated, spread, 1
    (answer, most), total = ranked[0], sum(votes.values())
    clear = len(ranked) == 1 or most > ranked[1][1]
    settled = clear and total >= min_votes and most >= agreement * total - 1e-9
    return answer if settled else (None, None), spread, 0


def random_catalog(folder, seed) -> Catalog:
    """Return a small catalog in which everything collides: copies, undoings, adjudications, ties, lost keepers."""
    rng = random.Random(seed)
    catalog = Catalog(folder / "btfer.sqlite")
    with catalog.transaction() as db:

        def add(table, **row):
            marks = ", ".join("?" * len(row))
            db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))

        def chance(share):
            return rng.random() < share

        words = dict(
            language="en",
            query_ethnicity="",
            query_gender="",
            query_age="",
            expression="",
            results_requested=1,
        )
        for number in range(1, 7):
            emotion = rng.choice(["happy", "sad", "fear"])
            add("searches", search_id=number, engine="e", query=f"q{number}", emotion=emotion, **words)
        empty = dict.fromkeys(
            ("title", "license_url", "creator", "attribution", "sha1", "opt_out", "page_url"), ""
        )
        urls = [f"u{number}" for number in range(30)]
        for number in rng.sample(range(1, 1000), 60):
            search, url, license = rng.randint(1, 6), rng.choice(urls), rng.choice(["unknown", "by", "cc0"])
            add("candidates", candidate_id=number, search_id=search, rank=1, url=url, license=license,
                found_url=f"{number}", **empty)  # fmt: skip
        images = [f"i{number}" for number in range(18)]
        for image_id in images:
            add("images", image_id=image_id, path=image_id, format="PNG", bytes=1)
        for url in urls:
            if chance(0.85):
                image_id = rng.choice(images) if chance(0.85) else None
                add("fetches", url=url, image_id=image_id, reason=None if image_id else "timeout", detail="",
                    content_type="", bytes=1, fetched_at="", tries=1)  # fmt: skip
        faces = []
        for image_id in images:
            if chance(0.9):
                kept = chance(0.85)
                add("dedupes", image_id=image_id, state="kept" if kept else "dropped", conflict=chance(0.3),
                    reason=None if kept else "near_duplicate", duplicate_of=None if kept else images[0])  # fmt: skip
            add("crops", image_id=image_id, settings="{}", detail="")
            for number in range(rng.randrange(3)):
                faces.append(f"{image_id}f{number}")
                kept = chance(0.8)
                box = dict.fromkeys(
                    (
                        row["name"]
                        for row in db.execute("PRAGMA table_info(faces)").fetchall()
                        if row["notnull"]
                    ),
                    0,
                )
                box |= {"face_id": faces[-1], "image_id": image_id, "state": "kept" if kept else "dropped"}
                add("faces", **box, reason=None if kept else "too_small")
        for face_id in faces:
            if chance(0.8):
                kept, of = chance(0.6), rng.choice([*faces, "gone", None])
                add("face_dedupes", face_id=face_id, state="kept" if kept else "dropped", conflict=chance(0.2),
                    reason=None if kept else "near_duplicate", duplicate_of=None if kept else of)  # fmt: skip
        taken_back = set()
        for number in range(1, 250):
            kind = rng.choice(["image", "face"])
            verdict = rng.choice(["accept", "accept", "accept", "reject", "skip", "undo"])
            said = dict(kind=kind, item_id=rng.choice(images if kind == "image" else faces), verdict=verdict,
                        reviewer=rng.choice("abcd"), adjudicates=chance(0.1), decided_at="")  # fmt: skip
            if verdict == "undo":
                earlier = db.execute("SELECT * FROM decisions WHERE verdict <> 'undo'").fetchall()
                earlier = [row for row in earlier if row["decision_id"] not in taken_back]
                if not earlier:
                    continue
                row = rng.choice(earlier)
                taken_back.add(row["decision_id"])
                said |= {name: row[name] for name in ("kind", "item_id", "reviewer", "adjudicates")}
                said["undoes"] = row["decision_id"]
            elif verdict == "accept":
                said["emotion"] = rng.choice(["happy", "sad", None])
            elif verdict == "reject":
                said["reason"] = "other"
            add("decisions", decision_id=number, **said)
        db.execute(
            "UPDATE consensus SET min_votes = ?, agreement = ?",
            (rng.randint(1, 3), rng.choice([0.5, 0.6, 1])),
        )
    return catalog


@pytest.mark.parametrize("seed", range(6))
def test_tables_kept_by_triggers_follow_whatever_is_written(tmp_path, seed):
    catalog, rng = random_catalog(tmp_path, seed), random.Random(seed)
    urls = [row["url"] for row in catalog.rows("SELECT DISTINCT url FROM candidates")]
    images = [row["image_id"] for row in catalog.rows("SELECT image_id FROM images")]
    ids = [row["candidate_id"] for row in catalog.rows("SELECT candidate_id FROM candidates")]
    changes = (
        ("UPDATE candidates SET url = ? WHERE candidate_id = ?", urls, ids),
        ("UPDATE candidates SET license = ? WHERE candidate_id = ?", ["unknown", "by"], ids),
        ("DELETE FROM candidates WHERE ? AND candidate_id = ?", [True], ids),
        ("UPDATE fetches SET image_id = ?, reason = NULL WHERE url = ?", images, urls),
        ("UPDATE OR REPLACE fetches SET url = ? WHERE url = ?", urls, urls),
        ("UPDATE fetches SET image_id = NULL, reason = ? WHERE image_id = ?", ["robots"], images),
        ("DELETE FROM fetches WHERE ? AND url = ?", [True], urls),
        (
            "INSERT OR REPLACE INTO fetches VALUES (?, ?, NULL, '', 200, '', 1, '', 1)",
            urls,
            images,
        ),
    )
    for _ in range(60):
        sql, first, second = rng.choice(changes)
        with catalog.transaction() as db:
            db.execute(sql, (rng.choice(first), rng.choice(second)))
        expected = catalog.rows(
            """SELECT f.image_id, min(c.candidate_id) AS found_by,
                      coalesce(min(CASE WHEN c.license <> 'unknown' THEN c.candidate_id END), min(c.candidate_id))
               FROM fetches f JOIN candidates c USING (url) WHERE f.image_id IS NOT NULL GROUP BY 1"""
        )
        found = catalog.rows("SELECT image_id, found_by, licensed_by FROM origins ORDER BY 1")
        assert list(map(tuple, found)) == list(map(tuple, expected)), sql
        assert not catalog.value(
            "SELECT count(*) FROM origins o JOIN candidates c ON c.candidate_id = o.found_by "
            "WHERE o.search_id <> c.search_id"
        )
