"""Time from the start of `btfer --help` to its end, against `python -c 'import click'`, in one run.

    python benchmarks/start.py [--rounds 41]

One start of each in every round, in an order drawn anew. What is compared is the time of the processor (user and
system) that the kernel counts for the process, which other programs disturb little.
"""

import argparse
import random
import resource
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.record import Figure, add_option, record

GOAL = 1.5
WAYS = {"click": ["-c", "import click"], "help": ["-m", "btfer_builder", "--help"]}


def processor_seconds(arguments: list[str]) -> float:
    """Run Python and return its processor time in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Run the benchmark and say whether the goal is reached."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=41)
    add_option(parser)
    given = parser.parse_args()
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(given.rounds):
        for name in random.sample(list(WAYS), len(WAYS)):
            seconds[name].append(processor_seconds(WAYS[name]))
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    ratio = medians["help"] / medians["click"]
    print(
        f"btfer --help {1000 * medians['help']:.0f} ms, import click {1000 * medians['click']:.0f} ms: {ratio:.2f}×"
    )
    if given.record:
        figure = Figure(
            figure="`btfer --help`, processor time",
            peer="`import click`",
            goal=f"≤ {GOAL:g}",
            value=ratio,
            unit="×",
        )
        record("start", [figure])


if __name__ == "__main__":
    main()
