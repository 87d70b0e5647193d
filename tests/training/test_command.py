import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from btfer_builder.cli.main import main
from btfer_builder.io.limits import read_toml

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("networks")]


def btfer(*arguments, code=0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def test_train_then_eval_from_the_command_line(faces, tmp_path):
    data, out = tmp_path / "set", tmp_path / "run"
    settings = ["--network", "lenet5", "--finetune-epochs", "2", "--batch-size", "8", "--balancing", "simple"]
    shown = btfer("train", data, *settings, "--out", out)
    assert "best: epoch 2, accuracy" in shown.stdout
    assert "on 14 validation faces (val)" in shown.stdout
    assert "30 training faces" in shown.stderr
    assert shown.stderr.count("epoch   ") == 2
    run = json.loads(btfer("train", data, *settings, "--out", out, "--json").stdout)["run"]
    assert run["finished"]
    assert run["class_weights"] == {"happy": 1.0} | {e: 4.0 for e in run["class_weights"] if e != "happy"}
    btfer("init", tmp_path / "ws")
    scored = json.loads(
        btfer("eval", run["model"], "-w", tmp_path / "ws", "--data", data / "val", "--json").stdout
    )
    assert scored["reports"][0]["accuracy"] == pytest.approx(run["validation_accuracy"])


def test_the_recipe_of_the_workspace_says_how(faces, tmp_path):
    btfer("init", tmp_path / "ws")
    recipe = tmp_path / "ws" / "btfer.toml"
    text = recipe.read_text()
    assert 'network = "resnet18"' in text
    recipe.write_text(
        text.replace('network = "resnet18"', 'network = "lenet5"').replace(
            "finetune_epochs = 200", "finetune_epochs = 1"
        )
    )
    out = tmp_path / "run"
    run = json.loads(
        btfer("train", tmp_path / "set" / "train", "-w", tmp_path / "ws", "--out", out, "--json").stdout
    )["run"]
    assert (run["recipe"]["network"], run["epochs"]) == ("lenet5", 1)
    assert run["selection"] == "23 % of train", "a tenth, but one face of each class at least"
    assert run["validation"]["n"] == 7


@pytest.mark.parametrize(
    ("arguments", "code", "run"),
    [
        (["--network", "resnet19"], 1, "is not a network"),
        (["--batch-size", "0"], 2, "--batch-size"),
        (["--balancing", "smote"], 2, "--balancing"),
        (["--pretraining", "imagenet", "--network", "lenet5"], 1, "no imagenet weights"),
        (["--weights", "w.h5", "--network", "vgg16"], 1, "give --pretraining as well"),
        (["--weights", "w.h5", "--network", "vgg16", "--pretraining", "imagenet"], 1, "no such file"),
        (["--network", "vgg16", "--mean", "1,2"], 1, "mean has 2 values"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(faces, tmp_path, arguments, code, run):
    result = btfer("train", tmp_path / "set", "--out", tmp_path / "run", *arguments, code=code)
    assert run in result.stderr
    assert "Traceback" not in result.output


def test_what_is_given_is_how_it_is_fed_in_training_and_in_scoring(faces, tmp_path):
    data, out = tmp_path / "set", tmp_path / "run"
    settings = [
        "--network",
        "lenet5",
        "--finetune-epochs",
        "2",
        "--batch-size",
        "8",
        "--learning-rate",
        "0.01",
    ]
    fed = ["--scale", "0,255", "--mean", "90,100,130", "--std", "64", "--color", "bgr"]
    shown = btfer("train", data, *settings, *fed, "--out", out)
    assert "fed as 48×48 bgr; 0 to 255; minus 90, 100, 130; divided by 64;" in shown.stderr
    declared = read_toml(out / "model.btfer.toml")["input"]
    assert [declared[name] for name in ("color", "scale", "mean", "std")] == [
        "bgr",
        "0,255",
        [90, 100, 130],
        [64],
    ]
    run = json.loads((out / "run.json").read_text())
    btfer("init", tmp_path / "ws")
    scored = btfer("eval", out / "model.keras", "-w", tmp_path / "ws", "--data", data / "val", "--json")
    assert json.loads(scored.stdout)["reports"][0]["accuracy"] == pytest.approx(run["validation_accuracy"])
    plain = ["--scale", "0,1", "--mean", "0", "--std", "1", "--color", "rgb"]
    btfer("train", data, *settings, *plain, "--out", out, code=1)


def test_what_is_refused_is_refused_before_tensorflow_is_imported(tmp_path):
    (tmp_path / "empty").mkdir()
    refused = [
        ["--network", "lenet5", "--pretraining", "imagenet"],
        ["--network", "resnet19"],
        ["--network", "lenet5", "--size", "20"],
        ["--network", "lenet5", "--head", "gap"],
        ["--network", "convnext-tiny", "--paper"],
        ["--network", "vgg16", "--pretraining", "vggface", "--weights", "none.h5"],
        ["--network", "efficientnetv2b0", "--scale", "-1,1"],
        ["--network", "lenet5"],  # no faces
    ]
    code = f"""
import sys
from click.testing import CliRunner
from btfer_builder.cli.main import main
for arguments in {refused}:
    result = CliRunner().invoke(main, ["train", "empty", "--out", "out", *arguments])
    assert result.exit_code == 1, (arguments, result.output)
assert not {{"tensorflow", "keras"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
