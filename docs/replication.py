"""The paper's numbers on FER2013 again: `python -m docs.replication --data DIR --out OUT` (days on one core).

DIR has FER2013 in class folders. Faces and models stay in OUT, which is outside the project; only results, histories and
predicted classes are copied to `docs/replication/`, and the table of `docs/replication.md` is written from these alone
(`--tables-only`). The same command continues after an interruption.
"""

import argparse
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

KEPT = Path(__file__).with_name("replication")

#: The authors' shares: 7,178 of 35,887 faces to test on, and no validation faces besides these.
SHARES = ("--val-share", "0", "--test-share", "0.2")


@dataclass(frozen=True, slots=True)
class Setting:
    """A network as a notebook of the authors trained it at 48 pixels, from scratch, on FER2013.

    Attributes
    ----------
    network, balancing
        Names as in `btfer networks` and `btfer train`.
    learning_rate
        The first one of the notebook, which is not always the 1e-4 of §4.2.
    head
        How its feature maps become a vector.
    mixed_precision
        Whether we train it with bfloat16, which large networks need on a processor.
    seeds
        How often we train it.
    """

    network: str
    balancing: str
    learning_rate: float = 1e-4
    head: str = "auto"
    mixed_precision: bool = False
    seeds: int = 1


SETTINGS = (
    Setting("lenet5", "simple", learning_rate=1e-3, seeds=3),
    Setting("lenet5", "conservative", learning_rate=1e-3, seeds=3),
    Setting("sequential-simple", "conservative", mixed_precision=True),
    Setting("sequential-3-conv", "simple", head="flatten", mixed_precision=True),
    Setting("sequential-3-conv", "conservative", head="gap", mixed_precision=True),
)

#: The authors' protocol, with the batch of their two cards (2 × 32), and the defaults of `btfer train`.
PROTOCOLS = ("paper", "defaults")


def grid(setting: Setting, protocol: str, seeds: int) -> str:
    """Return the `benchmark.toml` of a setting."""
    train = [f'head = "{setting.head}"', f"mixed_precision = {str(setting.mixed_precision).lower()}"]
    if protocol == "paper":
        train += ["paper = true", "batch_size = 64", f"learning_rate = {setting.learning_rate}"]
    lines = [
        f'networks = ["{setting.network}"]',
        "sizes = [48]",
        'pretrainings = ["scratch"]',
        f'balancings = ["{setting.balancing}"]',
        f"seeds = {list(range(seeds))}",
        f'out = "{protocol}"',
        "",
        "[datasets]",
        'fer2013 = "sets/fer2013"',
        "",
        "[train]",
        *train,
    ]
    return "\n".join(lines) + "\n"


def order() -> Iterator[tuple[Setting, str, int]]:
    """Yield what is run, one after the other: one seed of everything, then the others."""
    for seeds in range(1, max(setting.seeds for setting in SETTINGS) + 1):
        for setting in SETTINGS:
            if seeds <= setting.seeds:
                for protocol in PROTOCOLS:
                    yield setting, protocol, seeds


def run(data: Path, out: Path) -> None:
    """Import the faces and run all grids, or what is missing of them."""
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "sets" / "fer2013").exists():
        btfer(out, "dataset", "import", "folder", str(data.absolute()), "sets/fer2013", *SHARES)
    for setting, protocol, seeds in order():
        name = f"{setting.network}-{setting.balancing}-{protocol}.toml"
        (out / name).write_text(grid(setting, protocol, seeds), encoding="utf-8")
        btfer(out, "benchmark", name)


def btfer(folder: Path, *arguments: str) -> None:
    """Print a command and run it."""
    print(f"\n$ btfer {shlex.join(arguments)}", flush=True)
    subprocess.run([sys.executable, "-m", "btfer_builder", *arguments], cwd=folder, check=True)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="FER2013 in class folders")
    parser.add_argument("--out", type=Path, required=True, help="folder of faces, models and reports")
    arguments = parser.parse_args()
    run(arguments.data, arguments.out)


if __name__ == "__main__":
    main()
