"""The face detectors the benchmark compares, each run by a process of its own."""

import importlib.util
import multiprocessing
import resource
import sys
import time
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btfer_builder.config import CropRecipe
from btfer_builder.crop.stage import SHARD_SIZE
from btfer_builder.records import CropResult

Boxes = NDArray[
    np.float64
]  # (n, 15): x1, y1, x2, y2, score, landmarks (not a number where a peer gives none)
#: Takes a shard of pictures, as `btfer crop` gives a worker several at a time.
Finder = Callable[[Sequence[Path]], list[Boxes]]


def one_by_one(find: Callable[[Path], Boxes]) -> Finder:
    """Return a finder that looks at one picture after the other."""
    return lambda shard: [find(picture) for picture in shard]


def kept(boxes: Boxes, recipe: CropRecipe) -> NDArray[np.bool_]:
    """Return which boxes are large and certain enough for a crop."""
    sides = (boxes[:, 2:4] - boxes[:, :2]).round().min(axis=1, initial=np.inf)
    return (boxes[:, 4] >= recipe.min_confidence) & (sides >= recipe.min_face_size)


def btfer() -> Finder:
    """Return this project's detector, as `btfer crop` runs it: for faces that it keeps."""
    import cv2

    from btfer_builder.crop.detectors.mtcnn.detector import find_faces, load_networks

    cv2.setNumThreads(1)
    load_networks("cpu")
    recipe = CropRecipe()

    def enough(boxes: Boxes, _: Boxes) -> bool:
        return bool(kept(boxes, recipe).any())

    return one_by_one(
        lambda picture: np.hstack(find_faces(np.load(picture), recipe.smallest_searched, enough, "cpu"))
    )


def btfer_crops(*, second_search: bool = True) -> Finder:
    """Return this project's way from a JPEG file to crops; mtcnn makes no second search where it finds no face."""
    import cv2

    from btfer_builder.crop.cropping import crop_images
    from btfer_builder.crop.detectors.mtcnn.detector import load_networks

    cv2.setNumThreads(1)
    load_networks("cpu")
    recipe = CropRecipe(faces="all", device="cpu", second_search=second_search)

    def crop(shard: Sequence[Path]) -> list[Boxes]:
        items = [(picture.stem, f"{picture.stem}.jpg") for picture in shard]
        return [_boxes(result) for result in crop_images(items, shard[0].parent, recipe)]

    return crop


def _boxes(result: CropResult) -> Boxes:
    boxes = [
        [face.x, face.y, face.x + face.width, face.y + face.height, face.confidence] for face in result.faces
    ]
    return np.hstack([np.reshape(boxes, (-1, 5)), np.full((len(boxes), 10), np.nan)])


def mtcnn() -> Finder:
    """Return mtcnn 1.0.0 as it comes, on all cores."""
    find = _mtcnn()
    return one_by_one(lambda picture: find(np.load(picture)))


def mtcnn_crops() -> Finder:
    """Return the way from a JPEG file to the same crops with mtcnn 1.0.0 as it comes."""
    from btfer_builder.crop.geometry import Box, crop_box, cut
    from btfer_builder.images.decode import decode_image
    from btfer_builder.images.encode import png
    from btfer_builder.io.atomic import write_bytes

    find = _mtcnn()
    recipe = CropRecipe(faces="all")

    def crop(picture: Path) -> Boxes:
        photo = decode_image(picture.with_suffix(".jpg"))
        found = find(photo)
        for number, (x1, y1, x2, y2, *_) in enumerate(found[kept(found, recipe)]):
            box = crop_box(Box(x1, y1, x2 - x1, y2 - y1), photo.shape[1], photo.shape[0], recipe)
            write_bytes(
                picture.parent / "mtcnn" / f"{picture.stem}-{number}.png", png(cut(photo, box, recipe.size))
            )
        return found

    return one_by_one(crop)


def _mtcnn() -> Callable[[NDArray[np.uint8]], Boxes]:
    from btfer_builder.io.tensorflow_import import import_tensorflow

    import_tensorflow(gpu=False)
    from mtcnn import MTCNN

    detector = MTCNN()

    def find(photo: NDArray[np.uint8]) -> Boxes:
        found = np.asarray(detector.detect_faces(photo, box_format="xyxy", output_type="numpy"))
        return found.reshape(-1, 16)[:, 1:].astype(np.float64)

    return find


def facenet() -> Finder:
    """Return facenet-pytorch's MTCNN as it comes, on all cores, with mtcnn's thresholds."""
    _stand_in_for_torchvision()
    from facenet_pytorch import MTCNN

    detector = MTCNN(keep_all=True, thresholds=[0.6, 0.7, 0.8], device="cpu")

    def find(picture: Path) -> Boxes:
        boxes, scores = detector.detect(np.load(picture))
        if boxes is None:
            return np.empty((0, 15))
        return np.column_stack([boxes, scores, np.full((len(boxes), 10), np.nan)]).astype(np.float64)

    return one_by_one(find)


#: Name → its loader, the module that must be installed, and how many processes it gets.
DETECTORS: dict[str, tuple[Callable[[], Finder], str, int]] = {
    "mtcnn": (mtcnn, "mtcnn", 1),
    "facenet-pytorch": (facenet, "facenet_pytorch", 1),
    "btfer, one thread": (btfer, "onnxruntime", 1),
    "btfer, two workers": (btfer, "onnxruntime", 2),
}
END_TO_END: dict[str, tuple[Callable[[], Finder], str, int]] = {
    "mtcnn": (mtcnn_crops, "mtcnn", 1),
    "btfer, two workers": (btfer_crops, "onnxruntime", 2),
    "btfer, one search": (partial(btfer_crops, second_search=False), "onnxruntime", 2),
}


def installed(module: str) -> bool:
    """Return whether what a peer needs is there."""
    needed = (module, "torch") if module == "facenet_pytorch" else (module,)
    return all(importlib.util.find_spec(name) is not None for name in needed)


@dataclass
class Contestant:
    """A detector in one or more processes, that share out the pictures in shards as `btfer crop` does."""

    name: str
    load: Callable[[], Finder]
    count: int
    ready: float = 0.0
    _pipes: list[Connection] = field(default_factory=list)
    _processes: list[Any] = field(default_factory=list)

    def start(self) -> None:
        """Start the processes; `ready` is the longest time from an import to loaded networks."""
        context = multiprocessing.get_context("spawn")
        for _ in range(self.count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(self.load, theirs), daemon=True)
            process.start()
            theirs.close()  # so that a process that dies is an error here, not silence
            self._pipes.append(ours)
            self._processes.append(process)
        self.ready = max(pipe.recv() for pipe in self._pipes)

    def run(self, pictures: Sequence[Path]) -> tuple[float, float, list[Boxes]]:
        """Return the seconds for some pictures, those of all processors, and what was found on each."""
        shards = [pictures[start : start + SHARD_SIZE] for start in range(0, len(pictures), SHARD_SIZE)]
        found: list[list[Boxes]] = [[]] * len(shards)
        begin, used = time.perf_counter(), 0.0
        left, busy = list(range(len(shards)))[::-1], dict.fromkeys(self._pipes, -1)
        for pipe in self._pipes:
            if left:
                busy[pipe] = left.pop()
                pipe.send(shards[busy[pipe]])
        while working := [pipe for pipe, number in busy.items() if number >= 0]:
            for pipe in wait(working):
                cpu, found[busy[pipe]] = pipe.recv()
                used += cpu
                busy[pipe] = left.pop() if left else -1
                if busy[pipe] >= 0:
                    pipe.send(shards[busy[pipe]])
        return time.perf_counter() - begin, used, list(chain.from_iterable(found))

    def stop(self) -> float:
        """End the processes and return the most memory one of them ever had, in MB."""
        for pipe in self._pipes:
            pipe.send(None)
        peak = max(pipe.recv() for pipe in self._pipes)
        for process in self._processes:
            process.join()
        return peak


def _serve(load: Callable[[], Finder], pipe: Connection) -> None:
    begin = time.perf_counter()
    find = load()
    pipe.send(time.perf_counter() - begin)
    while (shard := pipe.recv()) is not None:
        begin = time.process_time()
        found = find(shard)
        pipe.send((time.process_time() - begin, found))
    pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _stand_in_for_torchvision() -> None:
    """Give facenet-pytorch the two functions it needs of torchvision, where there is none for this machine."""
    if importlib.util.find_spec("torchvision") is not None:
        return
    import torch

    def batched_nms(boxes: Any, scores: Any, groups: Any, threshold: float) -> Any:  # noqa: ANN401 - tensors
        """Keep the best box of those that overlap, group by group; greedy, in the order of the scores."""
        if not len(boxes):
            return torch.empty(0, dtype=torch.int64)
        spread = (boxes + (groups.to(boxes) * (boxes.max() + 1))[:, None]).double().numpy()
        x1, y1, x2, y2 = spread.T
        area = (x2 - x1) * (y2 - y1)
        order = scores.argsort(descending=True).numpy()
        kept = []
        while len(order):
            best, order = order[0], order[1:]
            kept.append(best)
            wide = np.maximum(0, np.minimum(x2[best], x2[order]) - np.maximum(x1[best], x1[order]))
            high = np.maximum(0, np.minimum(y2[best], y2[order]) - np.maximum(y1[best], y1[order]))
            shared = wide * high
            order = order[shared / (area[best] + area[order] - shared) <= threshold]
        return torch.as_tensor(np.array(kept, dtype=np.int64))

    names = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional", "torchvision.ops")
    for name in (*names, "torchvision.ops.boxes"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["torchvision.transforms"].functional = sys.modules["torchvision.transforms.functional"]  # type: ignore[attr-defined]
    sys.modules["torchvision.ops.boxes"].batched_nms = batched_nms  # type: ignore[attr-defined]
