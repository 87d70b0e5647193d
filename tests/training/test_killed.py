"""What only a process of its own can show: a run that is really killed, a disk that is really full, two devices."""

import csv
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from btfer_builder.config import TrainRecipe
from btfer_builder.errors import BtferError

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("networks")]


def start(root: Path, out: Path, recipe: TrainRecipe, *, killed_in: int = 0, devices: int = 1):
    script = Path(__file__).with_name("killed.py")
    command = [sys.executable, script, root, out, killed_in, devices, msgspec.json.encode(recipe).decode()]
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, cwd=Path.cwd()
    )


def rows_of(out: Path) -> list[list[float]]:
    with (out / "history.csv").open() as file:
        return [
            [float(value) for name, value in row.items() if name != "seconds"] for row in csv.DictReader(file)
        ]


def test_a_run_that_was_killed_ends_like_one_that_was_not(faces, tmp_path):
    import keras

    from btfer_builder.training.train import train

    # Dropout, augmentation and drawn faces: everything that a seed decides.
    recipe = TrainRecipe(
        network="sequential-3-conv", finetune_epochs=3, batch_size=16, balancing="oversample"
    )
    done = start(tmp_path / "set", tmp_path / "parts", recipe, killed_in=3)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(rows_of(tmp_path / "parts")) == 2
    parts = train(*faces, recipe, tmp_path / "parts")
    whole = train(*faces, recipe, tmp_path / "whole")
    # Threads add up in whatever order; another seed of the dropout would differ in the second digit.
    np.testing.assert_allclose(rows_of(parts.path), rows_of(whole.path), rtol=1e-3)
    resumed, uninterrupted = (
        keras.saving.load_model(run.model, compile=False).get_weights() for run in (parts, whole)
    )
    assert all(np.abs(a - b).mean() < 1e-4 for a, b in zip(resumed, uninterrupted, strict=True))


def test_two_devices_share_a_batch_and_compute_what_one_does(faces, tmp_path):
    from btfer_builder.training.results import read_run
    from btfer_builder.training.train import train

    # Without dropout, whose draws depend on how a batch is shared.
    recipe = TrainRecipe(
        network="lenet5", finetune_epochs=2, batch_size=5, learning_rate=1e-3, balancing="simple"
    )
    done = start(tmp_path / "set", tmp_path / "two", recipe, devices=2)
    assert done.returncode == 0, done.stderr
    two = read_run(tmp_path / "two")
    assert two is not None
    assert two.devices == 2
    train(*faces, msgspec.structs.replace(recipe, batch_size=10), tmp_path / "one")
    np.testing.assert_allclose(rows_of(tmp_path / "two"), rows_of(tmp_path / "one"), rtol=1e-3, atol=1e-5)


@pytest.fixture
def small_files() -> Iterator[None]:
    """Let no file of this process become larger than 1.5 MB: a model fits, the state with the optimizer does not."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_that_may_not_grow_so_large_is_said_and_leaves_no_half_of_it(faces, tmp_path, small_files):
    from btfer_builder.training.train import train

    out = tmp_path / "run"
    with pytest.raises(
        BtferError, match=r"File too large, .*; free some space and run the same command again"
    ):
        train(*faces, TrainRecipe(network="lenet5", finetune_epochs=1), out)
    assert {path.name for path in out.iterdir()} == {
        ".lock",
        "model.keras",
        "model.btfer.toml",
        "history.csv",
    }
