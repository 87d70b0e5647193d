"""The grid: what is planned, what cannot be, ids that stay, and mistakes said in one line."""

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from btfer_builder.benchmark.grid import Shard, load_benchmark, parse_shard, plan_runs, precision_key
from btfer_builder.benchmark.stage import plan_of
from btfer_builder.cli.benchmark import EXAMPLE
from btfer_builder.cli.main import main
from btfer_builder.config import BenchmarkRecipe, TrainRecipe
from btfer_builder.errors import BtferError
from tests.benchmark.benchmark_grid import write_grid

FULL = BenchmarkRecipe(
    networks=("vgg16", "inceptionv3", "lenet5"),
    sizes=(48, 224),
    pretrainings=("scratch", "vggface"),
    balancings=("simple", "conservative"),
    seeds=(0, 1),
    datasets={"raf-db": "/sets/raf", "fer2013": "/sets/fer"},
)
DIGESTS = {"raf-db": "a" * 64, "fer2013": "b" * 64}


def ids(recipe: BenchmarkRecipe = FULL, digests=DIGESTS) -> list[str]:
    return [run.run_id for run in plan_runs(recipe, digests).runs]


def test_the_plan_is_the_whole_product_and_what_cannot_be_is_said():
    plan = plan_runs(FULL, DIGESTS)
    assert len(plan.runs) + len(plan.impossible) == 2 * 2 * 3 * 2 * 2 * 2
    assert len({run.run_id for run in plan.runs}) == len(plan.runs)
    assert {reason for _, reason in plan.impossible} == {
        "there are no vggface weights of lenet5",
        "there are no vggface weights of inceptionv3",
        "inceptionv3 needs images of at least 75 pixels, not 48",
    }
    first = plan.runs[0]
    assert first.run_id.startswith("raf-db-48-vgg16-scratch-simple-s0-")
    assert (first.train.network, first.train.size, first.train.balancing) == ("vgg16", 48, "simple")
    assert first.data == Path("/sets/raf")


def test_ids_stay_until_something_changes_the_result():
    replace = msgspec.structs.replace
    assert ids() == ids()
    assert ids(replace(FULL, out="/elsewhere", workers=4, scheduler="tcp://a:1")) == ids()
    assert ids(replace(FULL, train=TrainRecipe(workers=7, memory=100))) == ids()
    # More of the grid leaves the ids of what was there.
    assert set(ids()) <= set(ids(replace(FULL, networks=(*FULL.networks, "vgg19"), seeds=(0, 1, 2))))
    for other in (TrainRecipe(learning_rate=1e-3), TrainRecipe(paper=True), TrainRecipe(finetune_epochs=7)):
        assert not set(ids()) & set(ids(replace(FULL, train=other)))
    assert not set(ids()) & set(ids(digests={"raf-db": "c" * 64, "fer2013": "d" * 64}))


def test_the_precision_really_used_is_in_the_id_and_mixed_runs_keep_theirs():
    replace = msgspec.structs.replace
    auto = replace(FULL, train=TrainRecipe(precision="auto"))
    plan = plan_runs(auto, DIGESTS)
    names = {precision_key(run.train): "float32" for run in plan.runs}
    assert [run.run_id for run in plan_runs(auto, DIGESTS, names).runs] == ids()
    mixed = [run.run_id for run in plan_runs(auto, DIGESTS, dict.fromkeys(names, "mixed")).runs]
    assert mixed == ids(replace(FULL, train=TrainRecipe(precision="mixed")))
    assert not set(mixed) & set(ids())
    assert ids(replace(FULL, train=TrainRecipe(device="cpu"))) == ids()


def test_the_measured_precisions_of_a_grid_are_measured_once(tmp_path, monkeypatch):
    grid = load_benchmark(write_grid(tmp_path))
    auto = msgspec.structs.replace(grid, train=msgspec.structs.replace(grid.train, precision="auto"))
    known = {precision_key(run.train): "mixed" for run in plan_of(grid).runs}
    path = Path(grid.out) / "precision.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(known))
    assert {run.train.precision for run in plan_of(auto).runs} == {"mixed"}
    path.write_text('{"lenet5-48-32": "double"}')
    with pytest.raises(BtferError, match=r"precision\.json: cannot be read .*; remove it to measure again"):
        plan_of(auto)


def test_weights_are_known_by_what_is_in_their_file(tmp_path):
    def grid(name: str) -> list[str]:
        return ids(msgspec.structs.replace(FULL, weights={"vgg16-vggface": str(tmp_path / name)}))

    (tmp_path / "one.h5").write_bytes(b"one")
    (tmp_path / "moved.h5").write_bytes(b"one")
    (tmp_path / "two.h5").write_bytes(b"two")
    assert grid("one.h5") == grid("moved.h5")
    same = set(grid("one.h5")) & set(grid("two.h5"))
    assert same
    assert not any("vggface" in run for run in same)


def test_what_cuts_images_into_patches_is_left_out_where_these_do_not_fit():
    plan = plan_runs(msgspec.structs.replace(FULL, networks=("lenet5", "vit-s"), sizes=(50,)), DIGESTS)
    assert {run.setting.network for run in plan.runs} == {"lenet5"}
    assert "vit-s cuts images into patches of 4 pixels; 50 is not a multiple of it" in {
        reason for _, reason in plan.impossible
    }


def test_two_things_to_do_are_refused(tmp_path):
    path = write_grid(tmp_path)
    for flags in (["--plan", "--report"], ["--published", "--plan"]):
        done = CliRunner().invoke(main, ["benchmark", str(path), *flags])
        assert done.exit_code == 2
        assert "exclude each other" in done.stderr


def test_what_is_asked_for_twice_is_run_once():
    twice = msgspec.structs.replace(FULL, networks=("vgg16", "vgg16"), sizes=(48, 48), seeds=(1, 1))
    assert len(ids(twice)) == len(set(ids(twice))) == 2 * 2 * 2


def test_a_head_that_a_network_cannot_have_is_left_to_it():
    grid = msgspec.structs.replace(
        FULL, networks=("vgg16", "lenet5"), train=TrainRecipe(head="gap", units="256-256")
    )
    heads = {(run.setting.network, run.train.head, run.train.units) for run in plan_runs(grid, DIGESTS).runs}
    assert heads == {("vgg16", "gap", "256-256"), ("lenet5", "auto", "auto")}


def test_the_authors_way_leaves_out_what_they_did_not_have():
    grid = msgspec.structs.replace(FULL, networks=("lenet5", "vit-s"), train=TrainRecipe(paper=True))
    plan = plan_runs(grid, DIGESTS)
    assert {run.setting.network for run in plan.runs} == {"lenet5"}
    assert any(
        "not one of the authors' networks" in reason
        for setting, reason in plan.impossible
        if setting.network == "vit-s"
    )


def test_a_missing_file_of_weights_is_said_before_anything_is_run(tmp_path):
    recipe = load_benchmark(write_grid(tmp_path))
    weights = {"vgg16-vggface": str(tmp_path / "none.h5")}
    with pytest.raises(BtferError, match=r"none\.h5: no such file; \[weights\] names it"):
        plan_of(
            msgspec.structs.replace(recipe, networks=("vgg16",), pretrainings=("vggface",), weights=weights)
        )
    assert plan_of(msgspec.structs.replace(recipe, weights=weights)).runs, "no run needs it"


def test_a_network_that_cannot_be_fed_as_the_grid_says_is_left_out():
    fed = TrainRecipe(scale="-1,1", mean=(0.5,))
    plan = plan_runs(
        BenchmarkRecipe(networks=("lenet5", "efficientnetv2b0"), datasets={"a": "/a"}, train=fed), {"a": "a"}
    )
    assert {run.setting.network for run in plan.runs} == {"lenet5"}
    (reason,) = {reason for _, reason in plan.impossible}
    assert reason == "efficientnetv2b0: scales pixels of 0 to 255 in its first layers; leave out --scale"


@pytest.mark.parametrize("count", [1, 2, 3, 8, 100])
def test_shards_are_all_runs_once_in_equal_parts_of_mixed_networks(count):
    runs = plan_runs(FULL, DIGESTS).runs
    parts = [Shard(number, count).part_of(runs) for number in range(1, count + 1)]
    assert sorted(run.run_id for part in parts for run in part) == sorted(run.run_id for run in runs)
    sizes = {len(part) for part in parts}
    assert max(sizes) - min(sizes) <= 1
    assert parts == [Shard(number, count).part_of(runs[::-1])[::-1] for number in range(1, count + 1)]
    if count == 3:
        assert all(
            {run.setting.network for run in part} == {"vgg16", "lenet5", "inceptionv3"} for part in parts
        )


@pytest.mark.parametrize("text", ["0/8", "9/8", "3", "3/0", "-1/2", "1/2/3", "a/b", " 1/2", "1.0/2", "٣/٨"])
def test_what_is_no_shard_is_refused(text, tmp_path):
    with pytest.raises(BtferError, match="as 3/8"):
        parse_shard(text)
    asked = CliRunner().invoke(main, ["benchmark", str(write_grid(tmp_path)), "--shard", text])
    assert asked.exit_code == 2
    assert "as 3/8" in asked.stderr


def test_the_plan_of_a_shard_is_its_part(tmp_path):
    path = str(write_grid(tmp_path))
    listed = [
        json.loads(CliRunner().invoke(main, ["benchmark", path, "--plan", "--json", *shard]).stdout)["runs"]
        for shard in ([], ["--shard", "1/2"], ["--shard", "2/2"])
    ]
    assert [len(runs) for runs in listed] == [2, 1, 1]
    assert sorted(run["run_id"] for run in listed[0]) == sorted(
        run["run_id"] for run in listed[1] + listed[2]
    )
    refused = CliRunner().invoke(main, ["benchmark", path, "--report", "--shard", "1/2"])
    assert refused.exit_code == 2
    assert "--report takes all finished ones" in refused.stderr


def test_paths_in_the_file_are_relative_to_it_and_other_data_is_another_run(tmp_path, monkeypatch):
    path = write_grid(tmp_path)
    monkeypatch.chdir(tmp_path.parent)
    recipe = load_benchmark(Path(tmp_path.name) / "benchmark.toml")
    assert recipe.datasets == {"stripes": str(tmp_path / "set")}
    assert recipe.out == str(tmp_path / "benchmark")
    before = [run.run_id for run in plan_of(recipe).runs]
    assert before == [run.run_id for run in plan_of(load_benchmark(path)).runs]
    picture = tmp_path / "set" / "train" / "happy" / "0.png"
    content = picture.read_bytes()
    picture.write_bytes(content[:-1] + b"\0")
    assert not set(before) & {run.run_id for run in plan_of(recipe).runs}, "as long, but another picture"
    picture.write_bytes(content)
    assert before == [run.run_id for run in plan_of(recipe).runs]
    picture.unlink()
    assert not set(before) & {run.run_id for run in plan_of(recipe).runs}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("networks = ['resnet-18']\n[datasets]\na = 'set'", "'resnet-18' is not a network"),
        ("network = ['vgg16']", "network"),
        ("networks = []", "networks"),
        ("sizes = [4]", "sizes"),
        ("balancings = ['smote']", "balancings"),
        ("[datasets]\n'../../x' = 'set'", "datasets"),
        ("[train]\nlearning_rate = 'high'", "train.learning_rate"),
        ("[eval]\nlabel = 1", "label"),
        ("[train]\nnetwork = 'vgg16'", "train.network: the grid sets this; give it as networks"),
        ("[train]\nweights = 'w.h5'", "give it as [weights]"),
        ("[weights]\nvgg16-vgface = 'w.h5'", "no network of that name has such weights"),
        ("[weights]\nvgg16-scratch = 'w.h5'", "no network of that name has such weights"),
        ("networks = [", "not valid TOML"),
        ("", "has no datasets"),
        ("[datasets]\na = 'nowhere'", "nowhere"),
        (
            "networks = ['inceptionv3']\nsizes = [48]\n[datasets]\na = 'set'",
            "no setting of the grid can be run",
        ),
    ],
)
def test_a_mistake_in_the_file_is_said_in_one_line(tmp_path, text, message):
    path = write_grid(tmp_path, text)
    done = CliRunner().invoke(main, ["benchmark", str(path), "--plan"])
    assert done.exit_code == 1, done.output
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert not (tmp_path / "benchmark").exists()


def test_a_file_that_is_missing_is_said_with_what_to_do(tmp_path):
    done = CliRunner().invoke(main, ["benchmark", str(tmp_path / "benchmark.toml")])
    assert done.exit_code == 1
    assert "--example" in done.stderr


def test_the_example_is_a_grid_that_can_be_planned(tmp_path):
    shown = CliRunner().invoke(main, ["benchmark", "--example"])
    assert shown.stdout == EXAMPLE
    path = tmp_path / "benchmark.toml"
    path.write_text(shown.stdout)
    recipe = load_benchmark(path)
    plan = plan_runs(recipe, DIGESTS)
    assert len(plan.runs) == 2 * 2 * 2 * (1 + 3 + 1)
    assert recipe.btfer == str(tmp_path / "sample")


def test_the_plan_is_shown_and_given_as_json(tmp_path):
    path = write_grid(tmp_path)
    shown = CliRunner().invoke(main, ["benchmark", str(path), "--plan"])
    assert shown.exit_code == 0, shown.output
    assert "2 runs, 2 missing" in shown.stdout
    asked = CliRunner().invoke(main, ["benchmark", str(path), "--plan", "--json"])
    runs = msgspec.json.decode(asked.stdout)["runs"]
    assert [run["finished"] for run in runs] == [False] * 2
    with pytest.raises(BtferError, match="at least"):
        plan_of(msgspec.structs.replace(load_benchmark(path), networks=("xception",)))
