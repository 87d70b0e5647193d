"""The cost of a model: weights, operations, bytes, latency and throughput on this machine (§4.4, §4.7)."""

import os
import platform
import time
from dataclasses import dataclass

import numpy as np

from btfer_builder.evaluate.loaders.base import Model
from btfer_builder.networks.flops import Uncounted
from btfer_builder.networks.preprocessing import Preprocessing

#: Number of untimed runs, maximum number of timed runs, and seconds after which timing stops.
WARM_UP, RUNS, SECONDS = 3, 100, 4.0

#: Batch size of the throughput measurement.
BATCH = 32


@dataclass(frozen=True, slots=True)
class Efficiency:
    """The cost of a model.

    Attributes
    ----------
    file_bytes
        Of its file or folder.
    parameters, flops
        Weights, and floating-point operations of one image as `networks.flops` counts them; None if unknown.
    latency_p50_ms, latency_p95_ms
        Milliseconds for one image, median and 95th percentile; None if not measured.
    images_per_second
        In batches of 32; None if not measured.
    machine
        The machine and the library.
    uncounted
        Operators because of which `flops` is None.
    """

    file_bytes: int
    parameters: int | None
    flops: int | None = None
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None
    images_per_second: float | None = None
    machine: str = ""
    uncounted: tuple[str, ...] = ()


def efficiency(model: Model, preprocessing: Preprocessing, *, measure: bool) -> Efficiency:
    """Return the cost of a model; latency and throughput are those of the model alone, on random images.

    Parameters
    ----------
    model
        A model in memory counts as 0 bytes, and so does a function that declares no files of weights.
    preprocessing
        Gives the shape of the input.
    measure
        Also count the operations and measure the time, for some seconds.
    """
    size = model.file_bytes
    if not measure:
        return Efficiency(size, model.parameters)
    flops, uncounted = _flops(model, preprocessing)
    shape = (BATCH, preprocessing.height, preprocessing.width, preprocessing.channels)
    rng = np.random.default_rng(0)
    batch = rng.integers(0, 256, shape, np.uint8) if preprocessing.raw else rng.random(shape, np.float32)
    single = _seconds(model, batch[:1])
    whole = float(np.median(_seconds(model, batch)))
    return Efficiency(
        size,
        model.parameters,
        flops,
        float(np.quantile(single, 0.5) * 1000),
        float(np.quantile(single, 0.95) * 1000),
        BATCH / whole if whole > 0 else None,  # the clock can be too coarse
        f"{platform.machine()}, {os.cpu_count()} cores, {model.loader}",
        uncounted,
    )


def _flops(model: Model, preprocessing: Preprocessing) -> tuple[int | None, tuple[str, ...]]:
    """Return the operations of one image, or None and the operators that cannot be counted."""
    if model.flops is None:
        return None, ()
    try:
        return model.flops(preprocessing.height, preprocessing.width), ()
    except Uncounted as error:
        return None, error.names


def _seconds(model: Model, batch: np.ndarray) -> np.ndarray:
    for _ in range(WARM_UP):
        model.predict(batch)
    times: list[float] = []
    while len(times) < RUNS and (len(times) < 5 or sum(times) < SECONDS):
        start = time.perf_counter()
        model.predict(batch)
        times.append(time.perf_counter() - start)
    return np.array(times)
