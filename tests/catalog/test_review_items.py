"""The items of a round come in the order of discovery, the faces of a photo by id."""

from operator import attrgetter

import pytest

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.review import review_items
from tests.synthetic import fill_tables


@pytest.mark.parametrize("kind", ["image", "face"])
def test_items_come_in_the_order_of_discovery(tmp_path, kind):
    catalog = Catalog(tmp_path / "btfer.sqlite")
    fill_tables(catalog, 400)
    # All faces of eight photos in one: the index has them in the order of their paths, not of their ids.
    photo = catalog.value("SELECT image_id FROM croppable ORDER BY candidate_id LIMIT 1 OFFSET 7")
    with catalog.transaction() as db:
        db.execute(
            """UPDATE faces SET image_id = ?1, path = substr(face_id, 5) WHERE state = 'kept'
               AND image_id IN (SELECT image_id FROM croppable ORDER BY candidate_id LIMIT 8)""",
            (photo,),
        )
    items = review_items(catalog, kind)
    assert items == sorted(items, key=attrgetter("candidate_id", "item_id"))
    assert len(items) > 200
    assert (max(map(len, _by_photo(items))) > 3) == (kind == "face")


def _by_photo(items):
    photos: dict[int, list[str]] = {}
    for item in items:
        photos.setdefault(item.candidate_id, []).append(item.item_id)
    return photos.values()
