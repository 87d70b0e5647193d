"""The CSV views after rows were erased are those that would be written anew."""

import pytest

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.erased_rows import about_to_erase, write_without
from btfer_builder.catalog.manifests import MANIFESTS, write_manifests
from btfer_builder.catalog.review import decide
from btfer_builder.catalog.takedown import addresses, copies, erase, face_copies, faces_of
from btfer_builder.records import Decision, SampledFace
from tests.synthetic import fill_tables

#: What a person wrote into a view: it is gone once the view is written anew.
NOTE = b"a note\r\n"


@pytest.fixture
def catalog(tmp_path):
    catalog = Catalog(tmp_path / "btfer.sqlite")
    fill_tables(catalog, 400)
    change(catalog, "UPDATE dedupes SET fine_distance = 9 WHERE duplicate_of IS NOT NULL")  # proven copies
    return catalog


def group_of(catalog, image_id):
    """Return all images that are taken down with one."""
    images = copies(catalog, {image_id})
    return images | face_copies(catalog, images)


def keeper(catalog):
    return catalog.value("SELECT duplicate_of FROM dedupes WHERE duplicate_of IS NOT NULL ORDER BY image_id")


def change(catalog, sql, *values):
    with catalog.transaction() as db:
        db.execute(sql, values)


def erase_images(catalog, folder, images, *, named=True):
    """Erase images with all that belongs to them; return the views that were not written anew.

    Without `named`, cells of others may have an id in them.
    """
    for name in set(MANIFESTS) - {"decisions"}:  # by its last row it is known to be whole
        with (folder / f"{name}.csv").open("ab") as file:
            file.write(NOTE)
    faces = [row["face_id"] for row in faces_of(catalog, images)]
    urls = addresses(catalog, images)
    erased = about_to_erase(catalog, folder, {*images, *faces}, urls)
    left = catalog.rows("SELECT face_id, emotion, rank, path, split, sha256 FROM sample")
    sample = [SampledFace(*row) for row in left if row["face_id"] not in faces]
    erase(catalog, image_ids=list(images), face_ids=faces, urls=urls, sample=sample)
    write_without(catalog, folder, erased, list(MANIFESTS))
    write_manifests(catalog, folder / "anew", *MANIFESTS)
    cut = set()
    for name in MANIFESTS:
        content = (folder / f"{name}.csv").read_bytes()
        cut |= {name} if content.endswith(NOTE) else set()
        assert content.removesuffix(NOTE) == (folder / "anew" / f"{name}.csv").read_bytes(), name
        assert (
            not named or name == "decisions" or not any(image_id.encode() in content for image_id in images)
        )
    return cut


LARGE = {"candidates", "images", "duplicates", "faces"}


@pytest.fixture
def folder(catalog, tmp_path):
    write_manifests(catalog, tmp_path / "views", *MANIFESTS)
    return tmp_path / "views"


@pytest.mark.parametrize("place", [0, 57, 399])
def test_large_views_only_lose_the_rows_of_what_is_erased(catalog, folder, place):
    image_id = catalog.rows("SELECT image_id FROM images ORDER BY image_id")[place][0]
    assert erase_images(catalog, folder, group_of(catalog, image_id)) == LARGE


def test_nothing_but_whole_rows_of_the_erased_is_cut(catalog, tmp_path):
    image_id = keeper(catalog)
    url = next(iter(addresses(catalog, {image_id})))
    title = f'"{image_id}"\r\n,"{url}"\r\n'
    change(catalog, "UPDATE candidates SET title = ?, creator = ?", title, f"{url}\r\n{image_id},")
    change(catalog, "UPDATE candidates SET title = '\"\r\n' WHERE candidate_id % 3 = 0")
    folder = tmp_path / "views"
    write_manifests(catalog, folder, *MANIFESTS)
    assert erase_images(catalog, folder, group_of(catalog, image_id), named=False) == LARGE


def test_views_are_written_anew_if_others_refer_to_what_is_erased(catalog, folder):
    assert erase_images(catalog, folder, {keeper(catalog)}) == set()


def test_views_are_written_anew_if_they_lack_a_decision(catalog, folder):
    image_id, face = keeper(catalog), catalog.value("SELECT max(face_id) FROM faces WHERE state = 'kept'")
    decide(catalog, [Decision(face, "face", "reject", reason="low_quality", reviewer="zoe")])
    assert erase_images(catalog, folder, group_of(catalog, image_id)) == set()


def test_views_are_written_anew_after_a_stage_that_was_killed(catalog, folder):
    change(catalog, "INSERT INTO runs (command, recipe, version, started_at) VALUES ('crop', '{}', '1', '')")
    change(catalog, "UPDATE crops SET reason = 'no_face' WHERE image_id = (SELECT max(image_id) FROM crops)")
    assert erase_images(catalog, folder, group_of(catalog, keeper(catalog))) == set()


@pytest.mark.parametrize("url", ['https://a.example/"?a,b', "=https://a.example/x"])
def test_an_address_that_a_cell_has_in_another_form(catalog, tmp_path, url):
    image_id = keeper(catalog)
    for old in addresses(catalog, group_of(catalog, image_id)):
        change(catalog, "UPDATE candidates SET url = ? || url WHERE url = ?", url, old)
        change(catalog, "UPDATE fetches SET url = ? || url WHERE url = ?", url, old)
    folder = tmp_path / "views"
    write_manifests(catalog, folder, *MANIFESTS)
    assert erase_images(catalog, folder, group_of(catalog, image_id)) >= LARGE - {"candidates"}


def test_a_view_that_has_other_columns_is_written_anew(catalog, folder):
    images = folder / "images.csv"
    images.write_bytes(images.read_bytes().replace(b"image_id,", b"image,", 1))
    assert erase_images(catalog, folder, group_of(catalog, keeper(catalog))) == LARGE - {"images"}


def test_a_view_with_an_erased_photo_at_another_address_is_written_anew(catalog, folder):
    image_id = keeper(catalog)
    candidates = folder / "candidates.csv"
    for url in addresses(catalog, {image_id}):
        candidates.write_bytes(candidates.read_bytes().replace(url.encode(), b"https://earlier.example/x"))
    assert erase_images(catalog, folder, group_of(catalog, image_id)) == LARGE - {"candidates"}
