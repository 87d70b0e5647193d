"""The layers of the paper's own networks: its Figs. 3–8."""

import json

import pytest
from click.testing import CliRunner

import btfer_builder as bt
from btfer_builder.cli.main import main
from btfer_builder.networks.layer_table import FIGURES, list_layers
from docs.make_layers import PAGE, layers_page

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("networks")]

#: What the authors' notebooks print at 48 pixels.
PRINTED = {
    "sequential-3-conv": 1_365_703, "sequential-4-conv": 2_840_775, "sequential-simple": 2_489_671,
    "ensemble": 2_001_045, "modular": 5_337_735, "smmb": 5_512_455,
}  # fmt: skip


def test_the_page_is_made_from_the_networks():
    page = layers_page()
    assert PAGE.read_text(encoding="utf-8") == page, "run: python -m docs.make_layers"
    assert set(FIGURES.values()) == set(PRINTED)
    for name, params in PRINTED.items():
        assert f": {name}\n\n{params:,} parameters" in page


def test_branches_say_what_they_follow_and_a_base_is_one_row():
    rows = {row.number: row for row in list_layers("smmb", 48)}
    (attention,) = [row for row in rows.values() if row.kind == "MultiHeadAttention"]
    assert (attention.settings, attention.output, attention.params) == (
        "4 heads, 32 wide",
        (12, 12, 256),
        131_712,
    )
    (joined,) = [row for row in rows.values() if row.kind == "Concatenate"]
    assert sorted(rows[number].kind for number in joined.after) == ["Dense", "Flatten"]
    base = [row for row in list_layers("vgg16", 48) if row.kind == "Functional"]
    assert [row.params for row in base] == [14_714_688]


def test_the_command_lists_the_layers_of_one_network():
    done = CliRunner().invoke(main, ["networks", "lenet5", "--layers", "--json"])
    layers = json.loads(done.stdout)["layers"]
    assert sum(layer["params"] for layer in layers) == 169_271
    assert layers[1]["settings"].startswith("6 filters, 5×5")
    table = bt.list_layers("lenet5")
    assert json.loads(table.to_json(orient="records")) == layers
    for wrong, words in (
        (["--layers"], "one network"),
        (["lenet5", "--layers", "--size", "9"], "at least 48 pixels"),
        (["lenet6", "--layers"], "not a network"),
    ):
        refused = CliRunner().invoke(main, ["networks", *wrong])
        assert refused.exit_code in {1, 2}
        assert words in refused.stderr
