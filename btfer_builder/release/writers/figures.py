"""Draw the figures of a release: a contact sheet, and the classes by query attribute."""

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from btfer_builder.catalog.sample import ATTRIBUTES
from btfer_builder.images.plot_style import INK, blank_figure, shades, to_png, wrapped
from btfer_builder.labels import EMOTIONS
from btfer_builder.release.released_faces import ReleasedFace

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIDE = 96
GAP = 4
LABEL = 104
PER_ROW = 12
_NOT_SEARCHED = "(not searched for)"
#: Order of the ages; other values come after them.
_ORDER = ("toddler", "child", "adult", "middle-aged", "elderly")


def write_contact_sheet(path: Path, faces: Sequence[ReleasedFace]) -> None:
    """Draw the first twelve faces of each class in the order of the draw, as a PNG without metadata."""
    from PIL import Image, ImageDraw, ImageFont

    most = max(Counter(face.emotion for face in faces).values())
    width = LABEL + min(most, PER_ROW) * (SIDE + GAP) + GAP
    sheet = Image.new("RGB", (width, len(EMOTIONS) * (SIDE + GAP) + GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(18)
    for row, emotion in enumerate(EMOTIONS):
        top = GAP + row * (SIDE + GAP)
        own = sorted(
            (face for face in faces if face.emotion == emotion), key=lambda face: (face.rank, face.face_id)
        )
        draw.text((GAP * 2, top + SIDE // 2), emotion, fill="#222222", font=font, anchor="lm")
        for column, face in enumerate(own[:PER_ROW]):
            with Image.open(face.path) as picture:
                small = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            sheet.paste(small, (LABEL + column * (SIDE + GAP), top))
    sheet.save(path, "PNG")


def write_groups(path: Path, faces: Sequence[ReleasedFace]) -> None:
    """Draw the number of faces of each class by query attribute, as a PNG without metadata."""
    values = {name: in_order([face.face.attributes[name] for face in faces]) for name in ATTRIBUTES}
    labels = {name: [wrapped(value or _NOT_SEARCHED, 2, 9) for value in own] for name, own in values.items()}
    heights = [len(own) * (1 + max(label.count("\n") for label in own) / 2) for own in labels.values()]
    figure = blank_figure(8, 1.9 + 0.4 * sum(heights), 100)
    figure.suptitle("Faces by what was searched for (not who a person is)", fontsize=11)
    panels = figure.subplots(len(values), 1, height_ratios=heights, sharex=True, squeeze=False)[:, 0]
    for axes, name in zip(panels, values, strict=True):
        _heatmap(axes, faces, name, values[name], labels[name])
    path.write_bytes(to_png(figure))


def group_counts(faces: Sequence[ReleasedFace], attribute: str) -> Counter[tuple[str, str]]:
    """Count the faces by (value of the attribute, emotion)."""
    return Counter((face.face.attributes[attribute], face.emotion) for face in faces)


def in_order(values: Collection[str]) -> list[str]:
    """Return the values of an attribute, each once: ages by age, others by name, what was not searched for last."""

    def place(value: str) -> tuple[bool, int, str]:
        return value == "", _ORDER.index(value) if value in _ORDER else len(_ORDER), value

    return sorted(set(values), key=place)


def _heatmap(
    axes: "Axes", faces: Sequence[ReleasedFace], attribute: str, values: Sequence[str], labels: Sequence[str]
) -> None:
    counts = group_counts(faces, attribute)
    grid = [[counts[value, emotion] for emotion in EMOTIONS] for value in values]
    most = max((max(row) for row in grid), default=0) or 1
    axes.imshow(grid, cmap=shades(), vmin=0, vmax=most, aspect="auto")
    axes.set_xticks(range(len(EMOTIONS)), EMOTIONS, fontsize=9)
    axes.set_yticks(range(len(values)), labels, fontsize=9)
    axes.set_title(attribute, fontsize=10, loc="left")
    axes.tick_params(length=0)
    for row, line in enumerate(grid):
        for column, count in enumerate(line):
            axes.text(column, row, f"{count:,}", ha="center", va="center", fontsize=9, color=INK)
    for spine in axes.spines.values():
        spine.set_visible(False)
