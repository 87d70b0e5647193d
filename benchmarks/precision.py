"""Validation accuracy of short trainings in single and in mixed precision, with the same seeds, faces and settings.

    python benchmarks/precision.py DATA [--network sequential-4-conv] [--faces 3000] [--epochs 4] [--seeds 2]

DATA has class folders; a fifth of the faces drawn is for validation. What is compared is the difference of the
accuracies of the last epoch, beside the difference that another seed makes.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.record import Figure, add_option, record
from btfer_builder.config import TrainRecipe
from btfer_builder.datasets.labelled_faces import faces_in_folder
from btfer_builder.io.tensorflow_import import import_tensorflow


def main() -> None:
    """Train every seed in both precisions and print the accuracies."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--network", default="sequential-4-conv")
    parser.add_argument("--faces", type=int, default=3000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=2)
    add_option(parser)
    given = parser.parse_args()
    import_tensorflow()
    from btfer_builder.training.train import train

    every = faces_in_folder(given.data)
    chosen = np.random.default_rng(0).permutation(len(every))[: given.faces]
    faces = [every[row] for row in chosen]
    held_out = len(faces) // 5
    accuracy: dict[str, list[float]] = {"float32": [], "mixed": []}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(given.seeds):
            for precision, found in accuracy.items():
                recipe = TrainRecipe(
                    network=given.network, finetune_epochs=given.epochs, seed=seed, precision=precision
                )
                run = train(faces[held_out:], faces[:held_out], recipe, Path(folder) / f"{precision}-{seed}")
                found.append(float(run.to_frame()["val_accuracy"].iloc[-1]))
                print(f"seed {seed}, {precision}: {found[-1]:.4f}", flush=True)
    differences = [100 * (b - a) for a, b in zip(accuracy["float32"], accuracy["mixed"], strict=True)]
    print(f"mixed − float32: {statistics.mean(differences):+.2f} points")
    if given.record:
        what = f"{given.network}, {len(faces) - held_out:,} faces, {given.epochs} epochs, {given.seeds} seeds"
        figure = f"accuracy of mixed minus single precision, {what}"
        value, low, high = statistics.mean(differences), min(differences), max(differences)
        record("precision", [Figure(figure=figure, value=value, unit=" points", low=low, high=high)])


if __name__ == "__main__":
    main()
