"""A set of stripes that any network learns, result files written by hand, and a small grid over them."""

import csv
import json
from pathlib import Path

import numpy as np
from PIL import Image

from btfer_builder.benchmark.results import Result, Score, write_result
from btfer_builder.evaluate.metrics.scores import score
from btfer_builder.labels import EMOTIONS

GRID = """
networks = ["lenet5"]
balancings = ["none", "conservative"]
btfer = "cross"

[datasets]
stripes = "set"

[train]
finetune_epochs = 2
batch_size = 16
augment = false
deterministic = true
learning_rate = 0.002

[eval]
resamples = 0
"""


def write_stripes(folder: Path, per_class: int, *, seed: int = 0, emotions=EMOTIONS) -> None:
    """Write faces of 12×12 pixels, each class with a bright stripe in its own place."""
    rng = np.random.default_rng(seed)
    for emotion in emotions:
        index = EMOTIONS.index(emotion)
        (folder / emotion).mkdir(parents=True)
        for number in range(per_class):
            pixels = rng.integers(0, 60, (14, 14, 3), dtype=np.uint8)
            pixels[:, 2 * index : 2 * index + 2] += 180
            Image.fromarray(pixels).save(folder / emotion / f"{number}.png")


def write_grid(root: Path, text: str = GRID) -> Path:
    """Write a set with three splits, a cross-domain set, and a `benchmark.toml` beside them."""
    for number, (split, count) in enumerate(
        {"set/train": 4, "set/val": 1, "set/test": 2, "cross": 2}.items()
    ):
        write_stripes(root / split, count, seed=number)
    path = root / "benchmark.toml"
    path.write_text(text, encoding="utf-8")
    return path


def result(own: float = 0.7, btfer: float | None = 0.5, n: int = 1000, **setting) -> Result:
    """Return a result without predictions."""
    setting = {
        "dataset": "raf-db", "size": 48, "network": "vgg16", "pretraining": "scratch", "balancing": "simple",
        "seed": 0, "params": 1_000_000,
    } | setting  # fmt: skip
    scores = {"precision": own, "recall": own, "f1": own}
    return Result(
        run_id="-".join(str(value) for value in setting.values()),
        own=Score(name="test", n=n, accuracy=own, **scores),
        btfer=None if btfer is None else Score(name="btfer", n=n, accuracy=btfer, **scores),
        **setting,
    )


def with_predictions(
    out: Path, result: Result, right: np.ndarray, sources: np.ndarray | None = None
) -> Result:
    """Write a run whose BTFER report has these right answers, and return its result as it was written.

    Where sources are given, the report has their number, and the interval counts them, as in those of `btfer eval`.
    """
    import msgspec

    folder = out / "runs" / result.run_id / "btfer" / "model"
    folder.mkdir(parents=True)
    true = np.arange(len(right)) % len(EMOTIONS)
    predicted = np.where(right, true, (true + 1) % len(EMOTIONS))
    with (folder / "predictions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["face_id", "emotion", "predicted"])
        writer.writerows(
            [f"{face:05d}", EMOTIONS[t], EMOTIONS[p]]
            for face, (t, p) in enumerate(zip(true, predicted, strict=True))
        )
    scores = score(true, predicted, sources)
    metrics = {
        "schema": 3, "model": "model", "n": len(right), "accuracy": scores.accuracy, "macro": {"f1": scores.macro_f1},
        "accuracy_interval_95": scores.accuracy_interval, "set": {"name": "s", "sha256": "12345678" * 8},
        "signature": f"BTFER|set:s#12345678|n:{len(right)}|in:x|labels:7|leak:unknown|btfer:0.1.0",
    }  # fmt: skip
    if sources is not None:
        whole = {"attribute": "all", "value": "", "sources": len(np.unique(sources))}
        metrics |= {"detectable": {"rows": [whole]}}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    measured = Score(
        name="btfer", n=len(right), accuracy=scores.accuracy, set_hash="1234", report="btfer/model"
    )
    written = msgspec.structs.replace(result, btfer=measured)
    write_result(out / "runs" / result.run_id, written)
    return written
