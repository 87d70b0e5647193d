"""What a model costs: weights, operations, bytes, latency and throughput on this machine (§4.4, §4.7)."""

import os
import platform
import time
from dataclasses import dataclass

import numpy as np

from btfer_builder.evaluate.loaders.base import Model, file_bytes
from btfer_builder.evaluate.preprocessing.resolve import Feeding

#: Runs before the clock is read, runs it is read for, and seconds after which it is enough.
WARM_UP, RUNS, SECONDS = 3, 100, 4.0

#: Images of the batch that throughput is measured with.
BATCH = 32


@dataclass(frozen=True, slots=True)
class Efficiency:
    """What a model costs.

    Attributes
    ----------
    file_bytes
        Of its file or folder.
    parameters, flops
        Weights, and floating-point operations of one image (two for every product); None where unknown.
    latency_p50_ms, latency_p95_ms
        Milliseconds for one image, median and 95th percentile; None where not measured.
    images_per_second
        In batches of 32; None where not measured.
    machine
        What it was measured on.
    """

    file_bytes: int
    parameters: int | None
    flops: int | None = None
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None
    images_per_second: float | None = None
    machine: str = ""


def efficiency(model: Model, feeding: Feeding, *, measure: bool) -> Efficiency:
    """Count what a model costs and, if asked, measure it with random images: no decoding, only the model.

    Parameters
    ----------
    model
        A function's own file is no measure of its size, and so counts as 0 bytes.
    feeding
        Its input.
    measure
        Also count the operations and run the clock, for some seconds.
    """
    size = 0 if model.loader == "function" else file_bytes(model.path)
    if not measure:
        return Efficiency(size, model.parameters)
    flops = model.flops(feeding.height, feeding.width) if model.flops else None
    shape = (BATCH, feeding.height, feeding.width, feeding.channels)
    rng = np.random.default_rng(0)
    batch = rng.integers(0, 256, shape, np.uint8) if feeding.raw else rng.random(shape, np.float32)
    one = _seconds(model, batch[:1])
    many = float(np.median(_seconds(model, batch)))
    return Efficiency(
        size,
        model.parameters,
        flops,
        float(np.quantile(one, 0.5) * 1000),
        float(np.quantile(one, 0.95) * 1000),
        BATCH / many if many > 0 else None,  # a clock may be too coarse
        f"{platform.machine()}, {os.cpu_count()} cores, {model.loader}",
    )


def _seconds(model: Model, batch: np.ndarray) -> np.ndarray:
    for _ in range(WARM_UP):
        model.predict(batch)
    times: list[float] = []
    while len(times) < RUNS and (len(times) < 5 or sum(times) < SECONDS):
        start = time.perf_counter()
        model.predict(batch)
        times.append(time.perf_counter() - start)
    return np.array(times)
