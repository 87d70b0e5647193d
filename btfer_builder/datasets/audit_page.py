"""The page of an audit: one file that loads nothing, with the pictures that deserve a look."""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from btfer_builder.config import DatasetRecipe
from btfer_builder.datasets.confident_learning import LabelDoubt
from btfer_builder.datasets.convert import ConvertedItem, open_item
from btfer_builder.datasets.duplicates import DuplicatePair
from btfer_builder.datasets.measure import MeasuredItem
from btfer_builder.images.decode import Undecodable
from btfer_builder.io.text import printable
from btfer_builder.labels import EMOTIONS

#: Largest number of pairs and of pictures in a section; the tables have all of them.
MAX_CONFLICTS, MAX_PAIRS, MAX_PICTURES, MAX_EMPTY, MAX_DOUBTS = 300, 60, 96, 300, 192

#: Side of a thumbnail in pixels, and quality of its JPEG.
THUMBNAIL, QUALITY = 96, 80


def audit_page(
    result: Mapping[str, Any],
    measured: Sequence[MeasuredItem],
    pictures: Sequence[ConvertedItem],
    places: Sequence[str],
    pairs: Sequence[DuplicatePair],
    recipe: DatasetRecipe,
    doubts: Sequence[LabelDoubt] = (),
) -> bytes:
    """Return `report.html`.

    Parameters
    ----------
    result
        `DatasetAudit.to_dict()`.
    measured, pictures
        The decoded pictures in the same order; the second have the names to show.
    places
        Dataset and split of each picture.
    pairs
        Duplicates, as indexes of these lists.
    recipe
        The radii to state.
    doubts
        Labels that a model doubts, the most doubtful first.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    def show(index: int, note: str = "") -> dict[str, str]:
        item = pictures[index].item
        return {
            "picture": _thumbnail(measured[index], recipe.max_pixels),
            "name": printable(item.name),
            "label": f"{item.emotion}, {item.split}",
            "note": note,
        }

    def shown(
        chosen: Sequence[DuplicatePair], limit: int
    ) -> list[tuple[dict[str, str], dict[str, str], str]]:
        return [(show(pair.first), show(pair.second), _words(pair)) for pair in chosen[:limit]]

    def extreme(key: Callable[[MeasuredItem], float], unit: str) -> list[dict[str, str]]:
        order = sorted(range(len(measured)), key=lambda index: key(measured[index]))
        return [show(index, f"{unit} {abs(key(measured[index])):.0f}") for index in order[:24]]

    conflicts = [p for p in pairs if pictures[p.first].item.emotion != pictures[p.second].item.emotion]
    across = [p for p in pairs if places[p.first] != places[p.second]]
    within = [p for p in pairs if places[p.first] == places[p.second]]
    empty = [index for index, one in enumerate(measured) if one.faces == 0]
    empty.sort(key=lambda index: -measured[index].flatness)  # signs, texts and empty pictures first
    crowded = [index for index, one in enumerate(measured) if (one.faces or 0) > 1]
    environment = Environment(
        loader=PackageLoader("btfer_builder.datasets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("audit.html.j2").render(
        result=result,
        recipe=recipe,
        emotions=EMOTIONS,
        sizes=_sizes(measured),
        pair_sections=[
            ("The same picture under two emotions", len(conflicts), shown(conflicts, MAX_CONFLICTS)),
            ("The same picture in two splits or datasets", len(across), shown(across, MAX_PAIRS)),
            ("Repeated within a split", len(within), shown(within, MAX_PAIRS)),
        ],
        picture_sections=[
            *(
                [
                    (
                        "Labels that the model doubts",
                        len(doubts),
                        [show(doubt.index, doubt.sentence) for doubt in doubts[:MAX_DOUBTS]],
                    )
                ]
                if doubts
                else []
            ),
            *([("No face found", len(empty), [show(index) for index in empty[:MAX_EMPTY]])] if empty else []),
            *(
                [("Several faces", len(crowded), [show(index) for index in crowded[:MAX_PICTURES]])]
                if crowded
                else []
            ),
            ("Least sharp", None, extreme(lambda one: one.sharpness, "sharpness")),
            ("Darkest", None, extreme(lambda one: one.brightness, "brightness")),
            ("Brightest", None, extreme(lambda one: -one.brightness, "brightness")),
        ],
    )
    return page.encode("utf-8", "replace")


def _words(pair: DuplicatePair) -> str:
    if pair.kind == "pixels":
        return "the same pixels"
    return f"{'mirrored, ' if pair.kind == 'mirrored' else ''}{pair.distance} of 64 bits, {pair.fine_distance} of 256"


def _sizes(measured: Sequence[MeasuredItem]) -> str:
    """Return the median and the range of the shorter sides in words."""
    sides = sorted(min(one.width, one.height) for one in measured)
    low, middle, high = sides[0], sides[len(sides) // 2], sides[-1]
    return f"all {low} pixels" if low == high else f"median {middle}, {low} to {high} pixels"


def _thumbnail(one: MeasuredItem, max_pixels: int) -> str:
    from PIL import Image

    try:
        image = open_item(one.picture.item, max_pixels).convert("RGB")
    except Undecodable:  # it was changed or removed during the audit
        image = Image.new("RGB", (1, 1))
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
