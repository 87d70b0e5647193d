"""This computer: Python, packages, processor, memory, graphics cards, free disk."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, distribution, requires, version
from importlib.util import find_spec
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement

from btfer_builder import __version__
from btfer_builder.doctor.findings import Finding
from btfer_builder.io.text import one_line

PACKAGE = "btfer-builder"
#: The versions of Python that the tests run on.
TESTED = ((3, 11), (3, 13))
#: Extras that people use, and what each is for; the others are for development.
EXTRAS = {
    "torch": "score PyTorch models",
    "hf": "score Hugging Face transformers",
    "onnx": "convert models to ONNX",
    "fast": "read PNG faces faster",
    "heif": "read HEIC photos",
    "dask": "work on a cluster",
    "s3": "keep data on S3",
}
#: Free space below which a command may fail, and below which a crawl of all phrases does not fit, in GB.
FULL, SCARCE = 1, 20
#: Seconds that a library may take to be imported and to look for cards.
_LIBRARY_SECONDS = 180

#: How each library is asked for its cards: it makes a list of their names.
_CARDS = {
    "tensorflow": """
from btfer_builder.io.tensorflow_import import import_tensorflow
config = import_tensorflow().config
cards = [config.experimental.get_device_details(card).get("device_name", card.name)
         for card in config.list_physical_devices("GPU")]""",
    "onnxruntime": """
import onnxruntime
names = {"CUDAExecutionProvider": "CUDA", "TensorrtExecutionProvider": "TensorRT", "ROCMExecutionProvider": "ROCm",
         "DmlExecutionProvider": "DirectML", "CoreMLExecutionProvider": "Core ML"}
cards = [names[name] for name in onnxruntime.get_available_providers() if name in names]""",
    "torch": """
import torch
cards = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
cards += ["Metal"] * torch.backends.mps.is_available()""",
}
#: What a process writes before the name of a card.
_MARK = "card: "
#: What to install where a library does not see a card that the driver sees.
_ADVICE = {
    "tensorflow": "pip install 'tensorflow[and-cuda]'",
    "onnxruntime": "pip uninstall onnxruntime, then pip install onnxruntime-gpu",
    "torch": "install a build of PyTorch with CUDA: https://pytorch.org/get-started/locally",
}


def machine_findings(folder: Path) -> Iterator[Finding]:
    """Look at this computer; `folder` is where data is written."""
    yield _python()
    yield from package_findings()
    yield _processor()
    yield _memory()
    yield from card_findings()
    yield disk_finding(folder)


def _python() -> Finding:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    first, last = TESTED
    if first <= sys.version_info[:2] <= last:
        return Finding("Python", "ok", found)
    return Finding(
        "Python",
        "note",
        f"{found}, which is not tested",
        f"use Python {first[0]}.{first[1]} to {last[0]}.{last[1]}",
    )


def package_findings() -> Iterator[Finding]:
    """Compare the installed packages with what this package requires."""
    yield Finding("btfer", "ok", __version__)
    try:
        lines = [Requirement(line) for line in requires(PACKAGE) or ()]
    except PackageNotFoundError:
        yield Finding(
            "packages", "note", f"{PACKAGE} is not installed, so nothing is known of them", "pip install ."
        )
        return
    needed = [line for line in lines if line.marker is None or line.marker.evaluate(_environment(""))]
    wrong = [text for text in map(_wrong, needed) if text]
    if wrong:
        yield Finding(
            "packages", "problem", ", ".join(wrong), "pip install --upgrade . in the checkout of btfer"
        )
    else:
        yield Finding("packages", "ok", f"all {len(needed)} that are required, in versions that fit")
    for extra, purpose in EXTRAS.items():
        own = [
            line
            for line in lines
            if line.marker and line.marker.evaluate(_environment(extra)) and line not in needed
        ]
        own = [line for line in own if line.name != PACKAGE]
        missing = [text for text in map(_wrong, own) if text]
        if missing:
            yield Finding(
                f"[{extra}]",
                "ok",
                f"not installed ({', '.join(missing)}); to {purpose}: pip install '.[{extra}]'",
            )
        else:
            versions = ", ".join(f"{line.name} {version(line.name)}" for line in own)
            yield Finding(f"[{extra}]", "ok", versions)


def _environment(extra: str) -> dict[str, str]:
    return {**default_environment(), "extra": extra}  # type: ignore[dict-item]


def _wrong(needed: Requirement) -> str:
    """Return what is wrong with the installed version of a package; empty if it fits."""
    try:
        installed = distribution(needed.name).version
    except PackageNotFoundError:
        return f"{needed.name} is missing"
    if needed.specifier.contains(installed, prereleases=True):
        return ""
    return f"{needed.name} {installed} is not {needed.specifier}"


def _processor() -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    flags = _flags()
    known = [name for name in ("avx", "avx2", "fma", "avx512f", "amx_bf16", "asimd") if name in flags]
    found = f"{platform.machine()}, {cores} cores" + (f", {' '.join(known)}" if known else "")
    if flags and platform.machine() in ("x86_64", "AMD64") and "avx" not in flags:
        return Finding(
            "processor", "problem", f"{found}, without AVX, which TensorFlow needs",
            "use another computer, or score models on ONNX Runtime or PyTorch",
        )  # fmt: skip
    return Finding("processor", "ok", found)


def _flags() -> set[str]:
    """Return the features of the processor, where the system lists them."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    listed = (
        line.partition(":")[2].split() for line in lines if line.lower().startswith(("flags", "features"))
    )
    return set(next(listed, []))


def _memory() -> Finding:
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    except (ValueError, OSError, AttributeError):
        return Finding("memory", "ok", "unknown")
    if total < 4:
        return Finding("memory", "note", f"{total:.1f} GB", "use --workers 1, and score models one at a time")
    return Finding("memory", "ok", f"{total:.0f} GB")


def card_findings() -> Iterator[Finding]:
    """Ask each library that is installed for the graphics cards it sees, each in a process of its own."""
    driver = _driver_cards()
    yield Finding("driver", "ok", ", ".join(driver) or "no NVIDIA card; everything works on the processor")
    there = [name for name in _CARDS if find_spec(name) is not None]
    with ThreadPoolExecutor(len(_CARDS) or 1) as threads:
        seen = dict(zip(there, threads.map(_cards, there), strict=True))
    for name in _CARDS:
        cards = seen.get(name)
        if cards is None:
            yield Finding(name, "ok", "not installed")
        elif isinstance(cards, str):
            yield Finding(
                name, "problem", f"cannot be used: {cards}", f"pip install --force-reinstall {name}"
            )
        elif driver and not cards:
            yield Finding(name, "note", f"{version_of(name)}, sees no card", _ADVICE[name])
        else:
            yield Finding(
                name,
                "ok",
                f"{version_of(name)}, " + (f"sees {', '.join(cards)}" if cards else "processor only"),
            )


def version_of(name: str) -> str:
    """Return the version of an installed package; builds for cards have other names."""
    for package in (name, f"{name}-gpu", f"{name}-cpu"):
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return "version unknown"


def _driver_cards() -> list[str]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()] if not done.returncode else []


def _cards(library: str) -> list[str] | str:
    """Return the cards that a library sees, or why it cannot be imported."""
    command = [sys.executable, "-c", f"{_CARDS[library]}\nfor card in cards: print({_MARK!r} + card)"]
    # A library that the processor cannot run ends the process.
    try:
        done = subprocess.run(  # noqa: S603
            command,
            capture_output=True,
            text=True,
            timeout=_LIBRARY_SECONDS,
            check=False,
            env=_child_environment(),
        )
    except subprocess.TimeoutExpired:
        return f"its import took more than {_LIBRARY_SECONDS} seconds"
    if done.returncode:
        return (
            one_line(done.stderr.strip().rpartition("\n")[2])[:200] or f"it ended with code {done.returncode}"
        )
    return [line.removeprefix(_MARK) for line in done.stdout.splitlines() if line.startswith(_MARK)]


def _child_environment() -> dict[str, str]:
    here = str(Path(__file__).parents[2])
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH", "")])),
    }


def disk_finding(folder: Path) -> Finding:
    """Return the free space where data is written."""
    free = shutil.disk_usage(folder).free / 1e9
    found = f"{free:.1f} GB free in {folder}"
    if free < FULL:
        return Finding(
            "disk", "problem", found, "free some space; btfer purge deletes photos that are no longer needed"
        )
    if free < SCARCE:
        return Finding("disk", "note", found, f"a crawl of all phrases needs about {SCARCE} GB")
    return Finding("disk", "ok", found)
