"""Train in a process of its own, to be killed or to have two devices: killed.py SET OUT EPOCH DEVICES RECIPE."""

import os
import signal
import sys
from pathlib import Path

import msgspec

from btfer_builder.io.tensorflow_import import import_tensorflow


def main(data: Path, out: Path, killed_in: int, devices: int, settings: str) -> None:
    tf = import_tensorflow()
    if devices > 1:
        (processor,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(
            processor, [tf.config.LogicalDeviceConfiguration()] * devices
        )
    from btfer_builder.config import TrainRecipe
    from btfer_builder.datasets.splits import read_splits
    from btfer_builder.training.loop import TrainingProgress
    from btfer_builder.training.train import train

    def watch(moment: TrainingProgress) -> None:
        if moment.epoch == killed_in and not moment.finished and moment.done < moment.total:
            os.kill(os.getpid(), signal.SIGKILL)

    splits = read_splits(data)
    names = [f"CPU:{number}" for number in range(devices)] if devices > 1 else []
    recipe = msgspec.json.decode(settings, type=TrainRecipe)
    train(splits["train"], splits["val"], recipe, out, devices=names, watch=watch)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
