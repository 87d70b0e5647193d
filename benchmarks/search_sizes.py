"""What a search loses and saves that begins at larger faces than 20 pixels (`crop --search`).

    python -m benchmarks.search_sizes [--photos DIR] [--count 2000] [--min-face-size 40]

Pictures of 640×480 to 1600×1200 show one to six faces of 20 to 400 pixels before a background. The faces are cut out of
the photographs in DIR (or of those that installed packages carry). What is compared are the faces that `btfer crop`
keeps: those of at least the minimum confidence and size. As there, a picture without such a face is searched for all
sizes. Time is that of the processor, for all pictures together; the order of the searches is drawn for each.
"""

import argparse
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks.compose import Pixels, compose_faces, photographs
from benchmarks.peers import kept
from benchmarks.record import Figure, add_option, record
from btfer_builder.config import CropRecipe
from btfer_builder.crop.detectors.mtcnn.detector import Boxes, find_faces, load_networks

#: Two boxes are of the same face if their intersection is at least this share of their union.
SAME_FACE = 0.5
#: Boxes whose sides differ by at most so many pixels count as equal.
EQUAL = 0.5
SEARCHES = ("full", "safe", "fast")


@dataclass
class Outcome:
    """What a search found of the faces of the full search, summed over pictures."""

    seconds: float = 0.0
    faces: int = 0
    found: int = 0
    equal: int = 0
    same_pixels: int = 0
    others: int = 0


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--photos", type=Path, help="a folder of photographs with faces")
    options.add_argument("--count", type=int, default=2000, help="pictures to compose")
    options.add_argument("--seed", type=int, default=0, help="another one composes other pictures")
    options.add_argument(
        "--min-face-size", type=int, default=CropRecipe().min_face_size, help="as in btfer crop"
    )
    add_option(options)
    given = options.parse_args()
    cv2.setNumThreads(1)
    load_networks("cpu")
    outcomes = compare(
        compose_faces(photographs(given.photos), given.count, given.seed), given.min_face_size, given.seed
    )
    for name in SEARCHES[1:]:
        outcome = outcomes[name]
        print(
            f"{name}: of {outcome.faces} faces {outcome.found} found, {outcome.equal} within {EQUAL} px, "
            f"{outcome.same_pixels} with the same whole pixels, {outcome.others} others; "
            f"{outcomes['full'].seconds / outcome.seconds:.2f} times as fast "
            f"({1000 * outcome.seconds / given.count:.0f} ms of the processor a picture)"
        )
    if given.record:
        record("search_sizes", _figures(outcomes, given.count))


def compare(pictures: Iterator[Pixels], min_face_size: int, seed: int) -> dict[str, Outcome]:
    """Search every picture in each way, and compare the faces with those of the full search."""
    recipes = {name: CropRecipe(search=name, min_face_size=min_face_size) for name in SEARCHES}
    outcomes = {name: Outcome() for name in SEARCHES}
    order = random.Random(seed)  # noqa: S311 - the order of a benchmark
    for picture in pictures:
        found: dict[str, Boxes] = {}
        for name in order.sample(SEARCHES, len(SEARCHES)):
            begin = time.process_time()
            found[name] = _kept(picture, recipes[name])
            outcomes[name].seconds += time.process_time() - begin
        for name in SEARCHES:
            _count(outcomes[name], found["full"], found[name])
    return outcomes


def _kept(picture: Pixels, recipe: CropRecipe) -> Boxes:
    boxes, _ = find_faces(
        picture, recipe.smallest_searched, lambda boxes, _: bool(kept(boxes, recipe).any()), device="cpu"
    )
    return boxes[kept(boxes, recipe)]


def _count(outcome: Outcome, expected: Boxes, found: Boxes) -> None:
    left = list(found)
    for face in expected:
        outcome.faces += 1
        index = max(range(len(left)), key=lambda i: _overlap(face, left[i]), default=-1)
        if index < 0 or _overlap(face, left[index]) < SAME_FACE:
            continue
        other = left.pop(index)
        outcome.found += 1
        outcome.equal += bool(np.abs(other[:4] - face[:4]).max() <= EQUAL)
        outcome.same_pixels += bool(np.array_equal(_whole(face), _whole(other)))
    outcome.others += len(left)


def _whole(box: Boxes) -> Boxes:
    """Return the corner and the size of a box in whole pixels, from which the crop follows."""
    return np.concatenate([box[:2], box[2:4] - box[:2]]).round()


def _overlap(one: Boxes, other: Boxes) -> float:
    wide, high = (min(one[i + 2], other[i + 2]) - max(one[i], other[i]) for i in (0, 1))
    shared = max(0.0, wide) * max(0.0, high)
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return float(shared / (sum(areas) - shared))


def _figures(outcomes: dict[str, Outcome], count: int) -> Iterator[Figure]:
    for name, recall, equal in (("safe", "≥ 99.9", "≥ 99"), ("fast", "", "")):
        outcome = outcomes[name]
        of = f"of {outcome.faces} faces in {count} pictures"
        for what, goal, number in (
            ("large enough faces found", recall, outcome.found),
            (f"large enough faces within {EQUAL} px", equal, outcome.equal),
        ):
            yield Figure(
                figure=f"{what}, search {name}",
                peer="search full",
                goal=goal,
                value=f"{100 * number / outcome.faces:.2f}",
                unit="%",
                note=f"{number} {of}",
            )
        yield Figure(
            figure=f"finding faces, search {name}, processor time",
            peer="search full",
            value=outcomes["full"].seconds / outcome.seconds,
            unit="×",
        )


if __name__ == "__main__":
    main()
