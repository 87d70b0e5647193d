"""The public API: its names, its signatures, its page, and what its import loads."""

import ast
import inspect
import re
import subprocess
import sys

import msgspec
import pytest

import btfer_builder as bt
from btfer_builder.config import (
    BenchmarkRecipe,
    CrawlRecipe,
    CropRecipe,
    DatasetRecipe,
    DedupeRecipe,
    EvalRecipe,
    HashesRecipe,
    LeakageRecipe,
    QueriesRecipe,
    Recipe,
    ReleaseRecipe,
    ReviewRecipe,
    SampleRecipe,
    SourceRecipe,
    TrainRecipe,
    settings_of,
)
from btfer_builder.config.collection import DOWNLOAD_SETTINGS
from btfer_builder.config.datasets import AUDIT_SETTINGS
from docs.make_api import PAGE, RESULTS, api_page, documented

NAMES = [
    "EMOTIONS", "BtferError", "Comparison", "FaceSet", "Report", "ReviewPage", "Workspace",
    "__version__", "answer_questions", "audit_datasets", "benchmark", "compare",
    "compare_conversions", "convert", "create_workspace", "diff_releases", "evaluate",
    "hash_images", "import_dataset", "list_layers", "list_networks", "load_faces", "open_workspace",
    "plan_benchmark", "published_results", "rebuild_release", "recommend", "report_benchmark",
    "scan_release", "train",
]  # fmt: skip

REVIEW_ITEMS = ("reviewer", "blind", "seed", "reviewers", "overlap", "min_votes", "agreement")

#: The parameters of each function: positional ones, those by keyword only, and the sections whose settings it takes.
SIGNATURES = {
    "answer_questions": ("file", "", [BenchmarkRecipe]),
    "audit_datasets": ("sources out", "faces model preprocessing", AUDIT_SETTINGS),
    "benchmark": ("file", "shard", [BenchmarkRecipe]),
    "compare": ("reports", "", ("resamples", "seed")),
    "compare_conversions": (
        "model faces", "out data",
        (
            "scale", "color", "size", "mean", "std", "resize", "resize_to", "crop", "preset", "trust_model",
            "resamples", "seed",
        ),
    ),
    "convert": (
        "model to", "quantize out data",
        ("scale", "color", "size", "mean", "std", "resize", "resize_to", "crop", "preset", "trust_model"),
    ),
    "create_workspace": ("folder", "", None),
    "diff_releases": ("earlier later", "", None),
    "evaluate": ("model faces", "name training_data calibration_data", [EvalRecipe]),
    "hash_images": ("folder out", "", [HashesRecipe]),
    "import_dataset": ("kind source out", "", [DatasetRecipe]),
    "list_layers": ("name size", "pretraining head units", None),
    "list_networks": ("names", "sizes pretraining head units", []),
    "load_faces": ("source", "", None),
    "open_workspace": ("folder", "", None),
    "plan_benchmark": ("file", "", [BenchmarkRecipe]),
    "published_results": ("out", "", None),
    "rebuild_release": ("folder", "", DOWNLOAD_SETTINGS),
    "recommend": ("reports", "max_megabytes max_parameters max_latency_ms min_accuracy", None),
    "report_benchmark": ("file", "", [BenchmarkRecipe]),
    "scan_release": ("folder", "", None),
    "train": ("data", "out restart", [TrainRecipe]),
    "Workspace.agreement": (
        "round", "", ("confidence", "resamples", "seed", "reviewers", "min_votes", "agreement"),
    ),
    "Workspace.build": ("", "path per_class until", [CrawlRecipe, QueriesRecipe, SourceRecipe]),
    "Workspace.candidates": ("", "", None),
    "Workspace.check_engines": ("", "", [CrawlRecipe]),
    "Workspace.compare": ("", "", ("resamples", "seed")),
    "Workspace.crawl": ("", "column path where_caption", [CrawlRecipe, QueriesRecipe, SourceRecipe]),
    "Workspace.crop": ("", "paper recrop", [CropRecipe]),
    "Workspace.decisions": ("", "", None),
    "Workspace.dedupe": ("", "regroup", [DedupeRecipe]),
    "Workspace.dedupe_faces": ("", "regroup", [DedupeRecipe]),
    "Workspace.doctor": ("", "", None),
    "Workspace.duplicates": ("", "", None),
    "Workspace.evaluate": ("model", "name training_data calibration_data", [EvalRecipe]),
    "Workspace.export_decisions": ("path", "round", REVIEW_ITEMS),
    "Workspace.faces": ("", "", None),
    "Workspace.funnel": ("", "", None),
    "Workspace.images": ("", "", None),
    "Workspace.import_decisions": ("decisions", "", REVIEW_ITEMS),
    "Workspace.leakage": ("against", "", [LeakageRecipe, HashesRecipe]),
    "Workspace.leakage_sets": ("", "", None),
    "Workspace.leaked": ("", "", None),
    "Workspace.load_faces": ("", "", None),
    "Workspace.queries": ("", "", [QueriesRecipe]),
    "Workspace.recheck": ("release", "", DOWNLOAD_SETTINGS),
    "Workspace.release": ("out", "", [ReleaseRecipe]),
    "Workspace.remove_leakage_set": ("name", "", None),
    "Workspace.review": ("round", "adjudicate model", [ReviewRecipe]),
    "Workspace.sample": ("", "redraw", [SampleRecipe]),
    "Workspace.sampled": ("", "", None),
    "Workspace.search_yield": ("", "", None),
    "Workspace.takedown": ("target", "reason dry_run", None),
    "Workspace.plan_build": ("", "path per_class until", [CrawlRecipe, QueriesRecipe, SourceRecipe]),
    "Workspace.next_step": ("", "", None),
    "Workspace.purge": ("keep", "dry_run", None),
    "Comparison.faces": ("first second", "", None),
    "Comparison.save": ("folder", "", None),
    "Comparison.to_dict": ("", "", None),
    "Comparison.to_frame": ("", "", None),
    "FaceSet.to_frame": ("", "", None),
    "Report.interval": ("name", "", None),
    "Report.model_card": ("", "", None),
    "Report.save": ("folder", "", None),
    "Report.to_dict": ("", "", None),
    "Report.to_frame": ("", "", None),
    "ReviewPage.stop": ("", "", None),
    "ReviewPage.wait": ("", "", None),
}  # fmt: skip


def test_the_names():
    assert sorted(bt.__all__, key=str.lower) == sorted(NAMES, key=str.lower)
    assert set(NAMES) <= set(dir(bt))
    with pytest.raises(AttributeError, match="no attribute 'evalute'"):
        _ = bt.evalute


def test_the_signatures():
    functions = {name: item for name, item in documented() if inspect.isfunction(item)}
    assert functions.keys() == SIGNATURES.keys()
    for name, function in functions.items():
        positional, keyword, sections = SIGNATURES[name]
        expected = keyword.split()
        if sections is not None:
            kinds = sections if isinstance(sections, list) else []
            settings = [setting.option for kind in kinds for setting in settings_of(kind)]
            settings = settings or list(sections)
            expected += [*settings, "progress"]
        parameters = [p for p in inspect.signature(function).parameters.values() if p.name != "self"]
        by_keyword = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
        assert [p.name for p in parameters if p.name not in by_keyword] == positional.split(), name
        assert sorted(by_keyword) == sorted(expected), name


def test_every_setting_of_a_workspace_is_a_keyword_somewhere():
    taken = {
        parameter
        for _, item in documented()
        if inspect.isfunction(item)
        for parameter in inspect.signature(item).parameters
    }
    sections = {field: type(section) for field, section in msgspec.structs.asdict(Recipe()).items()}
    missing = {
        f"{name}.{setting.name}"
        for name, section in sections.items()
        if name != "storage"
        for setting in settings_of(section)
        if setting.option not in taken
    }
    assert missing == set()


def test_everything_public_is_explained():
    for name, item in documented():
        text = inspect.getdoc(item) or ""
        assert name == "EMOTIONS" or text[:1].isupper(), name
        if inspect.isfunction(item) and len(inspect.signature(item).parameters) > 1:
            assert "Raises\n------" in text, f"{name} does not say what it raises"


def test_the_page_says_what_every_function_returns():
    explained = {place.rpartition(":")[2] for place in RESULTS.values()}
    others = {"Any", "DataFrame", "Interval", "None", "Path", *NAMES}
    for name, item in documented():
        if inspect.isfunction(item):
            returned = set(re.findall(r"\b[A-Z]\w+", str(inspect.signature(item).return_annotation)))
            assert returned - others <= explained, name


def test_the_page_is_made_from_the_docstrings():
    assert PAGE.read_text(encoding="utf-8") == api_page(), "run: python -m docs.make_api"


#: In a process of its own: what is loaded now was loaded by tests.
IMPORTS = """
import sys
import btfer_builder as bt
loaded = [name for name in ("tensorflow", "keras", "pandas", "numpy", "cv2", "click") if name in sys.modules]
import btfer_builder.evaluate.metrics.significance, btfer_builder.benchmark.published
from btfer_builder import evaluate
import btfer_builder.evaluate
print(loaded, callable(bt.evaluate), callable(bt.benchmark), bt.evaluate is evaluate)
ws = bt.create_workspace(sys.argv[1])
ws.funnel()
print([name for name in ("tensorflow", "keras", "cv2", "click") if name in sys.modules])
"""


def test_the_import_loads_nothing_heavy_and_functions_stay_functions(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", IMPORTS, str(tmp_path / "faces")], capture_output=True, text=True, check=False
    )
    assert ran.stdout.splitlines() == ["[] True True True", "[]"], ran.stderr


def test_the_code_of_the_readme_fits_the_signatures():
    readme = (PAGE.parents[1] / "README.md").read_text(encoding="utf-8")
    code = readme.partition("## From Python")[2].partition("```python\n")[2].partition("```")[0]
    owners = {"bt": bt, "ws": bt.Workspace, "report": bt.Report}
    calls = 0
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in owners:
            assert hasattr(owners[node.value.id], node.attr), node.attr
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if isinstance(node.func.value, ast.Name) and node.func.value.id in owners:
            function = getattr(owners[node.func.value.id], node.func.attr)
            own = [] if node.func.value.id == "bt" else [None]
            inspect.signature(function).bind(*own, *node.args, **{word.arg: word for word in node.keywords})
            calls += 1
    assert calls > 12
