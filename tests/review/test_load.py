"""Many faces and several reviewers at full speed: nothing acknowledged is lost, and each is answered at once."""

import statistics
import threading
import time

import pytest

from btfer_builder.catalog.review import add_decisions, current_decisions
from btfer_builder.labels import EMOTIONS
from btfer_builder.records import Decision
from tests.factories import fill_catalog

SECONDS = 4
FACES = 10_000


@pytest.fixture
def many(workspace):
    """10 000 faces; the files of the last ones are never asked for, so most have none."""
    filled = fill_catalog(workspace, per_emotion=2)
    spare = [f"{number:064x}" for number in range(FACES - len(filled.face_ids))]
    with workspace.catalog.transaction() as db:
        columns = [row["name"] for row in db.execute("PRAGMA table_info(faces)").fetchall()]
        rest = ", ".join(columns[1:])
        db.executemany(
            f"INSERT INTO faces (face_id, {rest}) SELECT ?, {rest} FROM faces WHERE face_id = ?",
            [(face, filled.face_ids[0]) for face in spare],
        )
    return spare


def test_five_reviewers_at_full_speed_lose_nothing(workspace, many, start):
    acknowledged: dict[str, dict[str, int]] = {name: {} for name in ("ana", "bo", "cy", "di", "el")}
    until = time.monotonic() + SECONDS

    def review(server, name: str) -> None:
        number = 0
        while time.monotonic() < until:
            face, emotion = many[number % len(many)], EMOTIONS[number % 7]
            answer = server.decide(face, "accept", emotion=emotion)
            assert answer.status_code == 200
            acknowledged[name][face] = answer.json()["decision_id"]
            number += 1

    threads = [threading.Thread(target=review, args=(start(name), name)) for name in acknowledged]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, ids in acknowledged.items():
        assert len(ids) > 10, "this reviewer was starved"
        words = current_decisions(workspace.catalog, "face", name)
        assert {face: word.decision_id for face, word in words.items()} == ids


def test_a_decision_costs_as_little_among_ten_thousand_as_among_ten(workspace, many, start):
    add_decisions(
        workspace.catalog,
        [Decision(face, "face", "skip", None, None, name) for face in many[:5000] for name in ("ana", "bo")],
    )
    server = start()
    server.get("/api/items", round="faces")
    times = []
    for face in many[5000:5060]:
        begin = time.perf_counter()
        assert server.decide(face, "skip").status_code == 200
        times.append(time.perf_counter() - begin)
    assert server.get("/api/progress", round="faces")["decided"] == 5060
    # A generous bound, for a busy computer; benchmarks/review.py measures. Counting everything anew took 60 ms.
    assert statistics.median(times) < 0.04
