"""The paper's numbers on FER2013 once more: `python -m docs.replication --data DIR --out OUT` (days on one core).

DIR has FER2013 in class folders. Faces, models and reports stay in OUT, outside the project; the same command goes on
after an interruption. Results, histories and predicted classes are copied to `docs/replication/`, from which the tables
of `docs/replication.md` are written (`--tables-only` does only this).
"""

import argparse
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from btfer_builder.benchmark.results import read_result
from btfer_builder.config import TrainRecipe
from btfer_builder.config.base import toml_value
from docs.replication_tables import (
    BY_DEFAULT,
    FIGURE,
    KEPT,
    PAGE,
    SETTINGS,
    Setting,
    figure,
    outcomes,
    with_tables,
)

#: 7,178 of the 35,887 faces are the authors' held-out split, and they had no third one.
SHARES = ("--val-share", "0", "--test-share", "0.2")


def grid(setting: Setting, protocol: str, seeds: int, data: str = "sets/fer2013") -> str:
    """Return the `benchmark.toml` of a setting; by chance, a fifth of all faces in `data` is drawn by the training."""
    train = [f'head = "{setting.head}"', f'precision = "{setting.precision}"']
    if protocol not in BY_DEFAULT:  # their batch is 32 on each of two cards
        train += ["paper = true", "batch_size = 64"]
    if protocol != "defaults":
        train += [f"learning_rate = {setting.learning_rate}"]
    if protocol == "chance":
        train += ["validation_share = 0.2"]
    lines = [
        f'networks = ["{setting.network}"]',
        "sizes = [48]",
        'pretrainings = ["scratch"]',
        f'balancings = ["{setting.balancing}"]',
        f"seeds = {list(range(seeds))}",
        f'out = "{protocol}"',
        "",
        "[datasets]",
        f"fer2013 = {toml_value(data)}",
        "",
        "[train]",
        *train,
    ]
    return "\n".join(lines) + "\n"


def order(*, large: bool) -> Iterator[tuple[Setting, str, int]]:
    """Yield what is run, one after the other: a seed of everything, the other seeds, then what explains differences."""
    chosen = [setting for setting in SETTINGS if large or not setting.large]
    for seeds in range(1, max(setting.seeds for setting in SETTINGS) + 1):
        for network in dict.fromkeys(setting.network for setting in chosen):
            for protocol in ("paper", "defaults"):
                for setting in chosen:
                    if setting.network == network and seeds <= setting.seeds:
                        yield setting, protocol, seeds
    for setting in chosen:
        if setting.learning_rate != TrainRecipe().learning_rate:
            yield setting, "rate", 1
    for setting in chosen:
        yield setting, "chance", 1


def run(data: Path, out: Path, *, large: bool) -> None:
    """Import the faces and run the grids, or what is missing of them."""
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "sets" / "fer2013").exists():
        btfer(out, "dataset", "import", "folder", str(data.absolute()), "sets/fer2013", *SHARES)
    for setting, protocol, seeds in order(large=large):
        name = f"{setting.name}-{protocol}.toml"
        faces = str(data.absolute()) if protocol == "chance" else "sets/fer2013"
        (out / name).write_text(grid(setting, protocol, seeds, faces), encoding="utf-8")
        btfer(out, "benchmark", name)


def btfer(folder: Path, *arguments: str) -> None:
    """Print a command and run it."""
    print(f"\n$ btfer {shlex.join(arguments)}", flush=True)
    subprocess.run([sys.executable, "-m", "btfer_builder", *arguments], cwd=folder, check=True)


def keep(out: Path, kept: Path = KEPT) -> None:
    """Copy histories, results and predicted classes of the runs in OUT; no face, and no name of one."""
    import numpy as np

    from btfer_builder.labels import EMOTIONS

    for setting, protocol, seeds in order(large=True):
        start = f"fer2013-48-{setting.network}-scratch-{setting.balancing}-s{seeds - 1}-"
        for source in sorted((out / protocol / "runs").glob(f"{start}*")):
            if not (source / "history.csv").is_file():
                continue
            target = kept / protocol / f"{setting.name}-s{seeds - 1}"
            target.mkdir(parents=True, exist_ok=True)
            (target / "history.csv").write_bytes((source / "history.csv").read_bytes())
            result = read_result(source)
            if result is None:
                continue
            with np.load(source / result.own.report / "predictions.npz", allow_pickle=False) as file:
                true, predicted = (
                    np.array([EMOTIONS.index(str(name)) for name in file[column]], np.uint8)
                    for column in ("emotion", "predicted")
                )
            np.savez_compressed(
                target / "predictions.npz", emotion=true, predicted=predicted, emotions=np.array(EMOTIONS)
            )
            (target / "result.json").write_bytes((source / "result.json").read_bytes())


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="FER2013 in class folders")
    parser.add_argument("--out", type=Path, help="folder of faces, models and reports, outside the project")
    parser.add_argument("--large", action="store_true", help="also the networks that need a GPU")
    parser.add_argument("--tables-only", action="store_true", help="train nothing")
    arguments = parser.parse_args()
    if not arguments.tables_only:
        if arguments.data is None or arguments.out is None:
            parser.error("give --data and --out, or --tables-only")
        run(arguments.data, arguments.out, large=arguments.large)
    if arguments.out is not None:
        keep(arguments.out)
    found = outcomes()
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")
    FIGURE.write_bytes(figure(found))


if __name__ == "__main__":
    main()
