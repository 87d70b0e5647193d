"""Write docs/files.md: every file that btfer reads or writes, with its columns: `make docs`."""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from btfer_builder.catalog.catalog import Catalog
from btfer_builder.catalog.manifests import MANIFESTS, manifest_columns
from btfer_builder.crawl.engines.urls import ALIASES
from btfer_builder.datasets import audit
from btfer_builder.evaluate.report.leaderboard import csv_columns
from btfer_builder.labels import EMOTIONS
from btfer_builder.leakage.hash_manifest import COLUMNS as HASHES
from btfer_builder.release import recheck, schema
from btfer_builder.review.decisions import COLUMNS as DECISIONS

PAGE = Path(__file__).with_name("files.md")

#: Columns whose modules import TensorFlow, or that have no name of their own; the tests compare them.
HISTORY = ("phase", "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds")
CONVERSIONS = (
    "name", "path", "accuracy", "accuracy_low", "accuracy_high", "difference", "difference_low", "difference_high",
    "p_value", "changed", "file_bytes", "latency_p50_ms", "images_per_second", "error",
)  # fmt: skip

_HEAD = """# Files

Every file that btfer reads or writes, with its columns, made by `make docs`. `<…>` stands for a name. CSV files are
UTF-8, with commas and one line of names; those that btfer reads may also have semicolons, tabs or bars, and may be
UTF-16. JSON is strict: no NaN, and unknown values are null. Names of columns and keys do not change between versions.
Ids are hashes: `image_id` is the SHA-256 of a photo's bytes, `face_id` that of the photo and the crop
([terms](architecture.md#terms)).
"""


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A file, or files of one form.

    Attributes
    ----------
    path
        Its path in its folder; `<…>` stands for a name.
    text
        What it is, in Markdown, with a link to where it is explained.
    columns
        Names of the columns of a table.
    """

    path: str
    text: str
    columns: Sequence[str] = ()

    def matches(self, path: str) -> bool:
        """Return whether a path in the same folder is such a file."""
        parts = re.split(r"<[^>]+>", self.path)
        return re.fullmatch("[^/]+".join(re.escape(part) for part in parts), path) is not None


@dataclass(frozen=True, slots=True)
class Area:
    """A folder, or a purpose: its title, what it is, and its files."""

    title: str
    text: str
    files: Sequence[FileFormat]


def _manifest_texts() -> dict[str, str]:
    return {
        "candidates": "every search result and what became of it "
        "([crawling](crawling.md#what-is-stored-for-every-result))",
        "images": "every photo, kept or dropped, with where it comes from",
        "duplicates": "photos that are copies of others, and by which rule ([duplicates](dedupe.md#photos))",
        "face_duplicates": "crops that are copies of others ([duplicates](dedupe.md#faces))",
        "faces": "every face and every photo without one; units of the [measurements](crop.md#the-data-of-a-face)",
        "decisions": "every answer of every reviewer; an undo is a row, too ([review](review.md))",
        "leakage": "faces that are also in a training set ([leakage](dedupe.md#leakage))",
        "sample": "the faces drawn, with split, checksum and source ([releases](releasing.md#drawing-a-sample))",
    }


def areas() -> list[Area]:
    """Return all files by area."""
    return [
        _inputs(),
        _workspace(),
        _release(),
        _report(),
        _comparison(),
        _dataset(),
        _audit(),
        _run(),
        _benchmark(),
    ]


def _inputs() -> Area:
    emotions = ", ".join(EMOTIONS)
    return Area(
        "What you write",
        "Files that btfer reads and you, or other programs, make.",
        (
            FileFormat("btfer.toml", "all settings of a workspace ([recipe](recipe.md))"),
            FileFormat("queries/<language>.yaml", "search words of a language ([languages](crawling.md#languages))"),
            FileFormat("<emotion>/<picture>", f"pictures by emotion: {emotions}, or a synonym; also below `train`, "
                       "`val` and `test` ([your own pictures](crawling.md#your-own-pictures))"),
            FileFormat("sources.csv", "licence and creator of your own pictures ([your own pictures]"
                       "(crawling.md#your-own-pictures))",
                       ("file", "license", "license_url", "creator", "attribution", "consent", "page_url")),
            FileFormat("<list>.csv", "addresses to download, also as Parquet, JSON Lines or plain text; other names of "
                       "these columns are understood ([lists](crawling.md#lists-of-addresses))", tuple(ALIASES)),
            FileFormat("<decisions>.csv", "labels given in a spreadsheet ([review](review.md#with-a-spreadsheet)); "
                       "`btfer review --export` adds `path`, `thumbnail` and `query`", DECISIONS),
            FileFormat("<model>", "a model of any format ([scoring models](evaluation.md))"),
            FileFormat("<model>.btfer.toml", "its sidecar: how it is fed "
                       "([preprocessing](evaluation.md#preprocessing)); `btfer train` writes it, too"),
            FileFormat("benchmark.toml", "a grid of trainings ([the grid](protocol.md#the-grid))"),
            FileFormat("<labels>.csv", "labels of a set of pictures (`btfer dataset import labels`); each column has "
                       "usual synonyms ([labelled sets](protocol.md#labelled-sets))", ("path", "emotion", "split")),
            FileFormat("<hashes>.csv", "hashes of a training set; `btfer hashes` writes it, `btfer leakage` reads it "
                       "([leakage](dedupe.md#leakage))", HASHES),
        ),
    )  # fmt: skip


def _workspace() -> Area:
    texts = _manifest_texts()
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog(Path(folder) / "btfer.sqlite")
        columns = {name: manifest_columns(catalog, name) for name in MANIFESTS}
        catalog.connection.close()
    return Area(
        "A workspace",
        "All of it is made from the catalog, and the CSV views are written anew after each stage and never read back. "
        "[Reliability](reliability.md) says which command owns which folder.",
        (
            FileFormat("manifests/btfer.sqlite", "the catalog, the one file to back up "
                       "([architecture](architecture.md#the-catalog))"),
            FileFormat("manifests/backups/<time>.sqlite", "its backups ([backups](reliability.md#backups))"),
            FileFormat("manifests/.<stage>.lock", "held by the command that runs; empty"),
            *(FileFormat(f"manifests/{name}.csv", texts[name], columns[name]) for name in MANIFESTS),
            FileFormat("data/images/<xx>/<image_id>.<suffix>", "photos as they were downloaded"),
            FileFormat("data/faces/<xx>/<face_id>.png", "face crops ([cropping](crop.md))"),
            FileFormat("data/thumbs/images/<xx>/<image_id>.jpg", "thumbnails; may be deleted at any time"),
            FileFormat("data/thumbs/faces/<xx>/<face_id>.jpg", "the same of faces"),
            FileFormat("data/sample/<emotion>/<face_id>.png",
                       "the sample; with `--splits` below `train`, `val`, `test`"),
            FileFormat("data/cache/<set>.faces", "resized faces for the next scoring ([speed](evaluation.md#speed))"),
            FileFormat("logs/<time>-<command>-<process>.log",
                       "versions, settings that were given, outcome, and the traceback of an error"),
            FileFormat("reports/<model>/", "a report for each scored model (below)"),
            FileFormat("reports/comparison/", "the leaderboard (below)"),
            FileFormat("reports/recheck.csv", "the state of each source ([recheck](releasing.md#recheck))",
                       recheck.COLUMNS),
            FileFormat("<decisions>.sheet.html",
                       "the pictures of an export, beside its table ([review](review.md#with-a-spreadsheet))"),
        ),
    )  # fmt: skip


def _release() -> Area:
    return Area(
        "A release",
        "[Releases](releasing.md#files-of-a-release) explains the form; the columns of its tables follow.",
        (
            FileFormat("<split>/<emotion>/<face_id>.png", "the faces"),
            FileFormat(f"<split>/{schema.METADATA}", "a row for each face, for `load_dataset(\"imagefolder\")`",
                       schema.names(schema.METADATA)),
            FileFormat(schema.PARQUET, "the same with the bytes of the pictures", schema.names(schema.PARQUET)),
            FileFormat(schema.SOURCES, "addresses instead of pictures (`--urls-only`)", schema.names(schema.SOURCES)),
            FileFormat(schema.LICENSES, "licence and source of each face", schema.names(schema.LICENSES)),
            FileFormat("ATTRIBUTION.md", "the credits that the licences ask for"),
            FileFormat("README.md", "the dataset card"),
            FileFormat("DATASHEET.md", "the datasheet"),
            FileFormat("croissant.json", "Croissant 1.0 with the RAI vocabulary"),
            FileFormat("release.json", "version, content hash, and what changed"),
            FileFormat("SHA256SUMS", "checksums of all files"),
            FileFormat("figures/<figure>.png", "contact sheet; classes by query attribute"),
            FileFormat("shards/<split>-<number>.tar", "WebDataset (`--webdataset`)"),
            FileFormat("NOT-FOR-REDISTRIBUTION.txt", "with `--include-unlicensed`"),
            FileFormat("rebuild.csv", "what `btfer rebuild` could not get", ("face_id", "state", "reason")),
        ),
    )  # fmt: skip


def _report() -> Area:
    predictions = (
        "face_id",
        "path",
        "emotion",
        "predicted",
        "correct",
        *(f"p_{name}" for name in EMOTIONS),
        "source",
    )
    return Area(
        "A report of a model",
        "In `reports/<model>/`. [The numbers](evaluation.md#the-numbers) explains every key.",
        (
            FileFormat("metrics.json", "all numbers; JSON Schema: `btfer_builder/evaluate/metrics.schema.json`"),
            FileFormat("predictions.csv", "a row for each face", predictions),
            FileFormat("predictions.npz", "NumPy arrays `face_id`, `emotion`, `predicted`, `probabilities`, `outputs`, "
                       "`emotions`, `labels`"),
            FileFormat("report.html", "one page that loads nothing"),
            FileFormat("confusion_matrix.png", "a plot"),
            FileFormat("model_card.md", "with `--model-card` ([model cards](evaluation.md#model-cards))"),
        ),
    )  # fmt: skip


def _comparison() -> Area:
    return Area(
        "A comparison",
        "In `reports/comparison/`, or what `--out` names ([comparing models](evaluation.md#comparing-models)).",
        (
            FileFormat("leaderboard.csv", "a row for each model", csv_columns()),
            FileFormat("leaderboard.md", "the same as Markdown"),
            FileFormat("leaderboard.html", "the same as a page, with links to reports and pairs"),
            FileFormat("comparison.json", "all tests, by set and pair"),
            FileFormat("pair-<hash>.html", "two models side by side"),
            FileFormat(
                "conversions.csv",
                "a model and its conversions (`btfer convert --score`, in its own folder; "
                "[smaller and faster](deploying.md#smaller-and-faster)); also as `.md`",
                CONVERSIONS,
            ),
        ),
    )


def _dataset() -> Area:
    return Area(
        "An imported set",
        "What `btfer dataset import` writes ([labelled sets](protocol.md#labelled-sets)).",
        (
            FileFormat("<split>/<emotion>/<hash>.png", "the pictures"),
            FileFormat("<split>/metadata.jsonl", "votes of FER+",
                       ("file_name", *(f"votes_{name}" for name in EMOTIONS))),
            FileFormat("pictures.csv", "where each comes from", ("path", "name", "label", "pixels")),
            FileFormat("dropped.csv", "what was left out, and why", ("name", "split", "label", "reason", "detail")),
            FileFormat("twins.csv", "duplicates",
                       ("first", "second", "kind", "distance", "fine_distance", "splits", "conflict")),
            FileFormat("classes.csv", "pictures of each class and split", ("emotion", "train", "val", "test")),
            FileFormat("classes.md", "the same, and the ratios of the weights"),
            FileFormat("classes.png", "the same as a figure"),
            FileFormat("import.json", "all counts, and the settings"),
        ),
    )  # fmt: skip


def _audit() -> Area:
    return Area(
        "An audit",
        "What `btfer dataset audit` writes ([audit](protocol.md#audit)).",
        (
            FileFormat("pictures.csv", "every picture, with its measurements", audit.PICTURES),
            FileFormat("duplicates.csv", "pairs of the same picture", audit.DUPLICATES),
            FileFormat("doubts.csv", "labels that a model doubts (`--model`)", audit.DOUBTS),
            FileFormat("audit.json", "the counts"),
            FileFormat("report.html", "one page that loads nothing"),
        ),
    )


def _run() -> Area:
    return Area(
        "A training run",
        "What `btfer train` writes ([result files](training.md#result-files)).",
        (
            FileFormat("model.keras", "the network of the best epoch"),
            FileFormat("model.btfer.toml", "its sidecar"),
            FileFormat("history.csv", "a row for each epoch", HISTORY),
            FileFormat("curves.png", "a plot of it"),
            FileFormat("run.json", "settings, versions, faces, phases"),
            FileFormat(".state.npz", "the checkpoint of a run that is not finished"),
        ),
    )


def _benchmark() -> Area:
    return Area(
        "A benchmark",
        "What `btfer benchmark` writes ([the grid](protocol.md#the-grid)).",
        (
            FileFormat("README.md", "everything on one page"),
            FileFormat("questions.md", "the paper's questions"),
            FileFormat("leakage.json", "faces of the set from elsewhere in each training split"),
            FileFormat("precision.json", "measured speeds, with `precision = \"auto\"`"),
            FileFormat("tables/<table>.csv", "the numbers of each table, which has columns of its own; "
                       "`btfer dataset table` writes Table 1 in the same form"),
            FileFormat("tables/<table>.md", "the paper's tables"),
            FileFormat("figures/<figure>.png", "the paper's figures"),
            FileFormat("runs/<run>/",
                       "a training run (above) with `result.json`, and the reports below `<split>/` and `btfer/`"),
        ),
    )  # fmt: skip


def files_page() -> str:
    """Return the page."""
    parts = [_HEAD]
    for area in areas():
        parts += [f"## {area.title}\n", f"{area.text}\n", "| file | | columns |\n|---|---|---|"]
        parts += [f"| `{file.path}` | {file.text} | {_names(file.columns)} |" for file in area.files]
        parts.append("")
        if area.title == "A release":
            parts.append("| column | type | meaning |\n|---|---|---|")
            parts += [f"| `{column.name}` | {column.dtype} | {column.meaning} |" for column in schema.COLUMNS]
            parts.append("")
    return "\n".join(parts)


def _names(columns: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in columns)


if __name__ == "__main__":
    PAGE.write_text(files_page(), encoding="utf-8")
