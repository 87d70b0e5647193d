"""Queries of what pictures look like."""

from btfer_builder.catalog import Catalog, fingerprints
from btfer_builder.images.same_picture import hash_matrix, matrix_of_digits
from tests.synthetic import fill_tables


def test_digits_of_all_images_are_those_of_each(tmp_path, monkeypatch):
    catalog = Catalog(tmp_path / "btfer.sqlite")
    fill_tables(catalog, 300)
    with catalog.transaction() as db:
        db.execute("UPDATE hashes SET parts = '' WHERE image_id < '4'")
    monkeypatch.setattr(fingerprints, "_AT_ONCE", 100)
    read = [row for rows in fingerprints.image_hashes(catalog) for row in rows]
    known = fingerprints.image_fingerprints(catalog, [image_id for image_id, _ in read])
    assert [image_id for image_id, _ in read] == [each.image_id for each in known]
    assert len(read) == catalog.value("SELECT count(*) FROM hashes WHERE reason IS NULL")
    assert "" in {each.parts for each in known}
    expected, found = hash_matrix(known), matrix_of_digits([digits for _, digits in read])
    for name in ("whole", "mirrored", "parts"):
        assert (getattr(found, name) == getattr(expected, name)).all()
