"""Lists of addresses and folders of pictures as engines: every row gets its own words, and a mistake its line."""

import csv
import io
import json

import pytest

from btfer_builder.crawl.engines.folder import read_folder
from btfer_builder.crawl.engines.urls import ListOptions, read_urls
from btfer_builder.errors import BtferError
from btfer_builder.labels import EMOTIONS
from tests.crawl.crawl_web import picture


@pytest.fixture
def listed(tmp_path):
    """Return a function that reads a list of this content."""

    def read(content: str | bytes, *emotions, name: str = "list.csv", caption: str = "", **columns: str):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return list(read_urls(path, emotions or EMOTIONS, ListOptions(columns, caption)))

    return read


def test_every_column_arrives_where_it_belongs(listed):
    ((search, [candidate]),) = listed(
        "url,emotion,query,language,query_ethnicity,query_gender,query_age,page_url,title,license,license_url,creator,"
        "attribution,else\n"
        "https://a.example/1.jpg,joy,sonriendo,es,latino,female,adult,https://a.example,Hola,CC0,https://cc.example,Ana,"
        "by Ana,ignored\n"
    )
    assert (search.engine, search.query, search.language, search.emotion) == (
        "urls",
        "sonriendo",
        "es",
        "happy",
    )
    assert (search.query_ethnicity, search.query_gender, search.query_age) == ("latino", "female", "adult")
    assert (candidate.rank, candidate.url) == (0, "https://a.example/1.jpg")
    assert (candidate.page_url, candidate.title, candidate.license) == ("https://a.example", "Hola", "CC0")
    assert (candidate.license_url, candidate.creator, candidate.attribution) == (
        "https://cc.example", "Ana", "by Ana",
    )  # fmt: skip


def test_rows_of_one_query_and_emotion_are_one_search_with_ranks(listed):
    found = listed("url,emotion,query\nu1,sad,q\nu2,happy,q\nu3,sad,q\nu4,sad,r\n")
    assert [(search.query, search.emotion, [c.url for c in found]) for search, found in found] == [
        ("q", "sad", ["u1", "u3"]),
        ("q", "happy", ["u2"]),
        ("r", "sad", ["u4"]),
    ]
    assert [candidate.rank for candidate in found[0][1]] == [0, 1]


def test_a_plain_list_takes_the_one_emotion_asked_for(listed):
    ((search, found),) = listed(
        "# mine\nhttps://a.example/1.jpg\n\n  https://a.example/2.jpg  \n", "fear", name="l.txt"
    )
    assert (search.query, search.emotion) == ("l.txt", "fear")
    assert [candidate.url for candidate in found] == ["https://a.example/1.jpg", "https://a.example/2.jpg"]
    assert found[0].license == "unknown"


def test_rows_of_other_emotions_are_left_out(listed):
    assert [search.emotion for search, _ in listed("url,emotion\nu,sad\nv,happy\n", "sad", "fear")] == ["sad"]


def test_a_file_out_of_a_spreadsheet_is_read(listed):
    ((_, [candidate]),) = listed('\ufeffurl, emotion ,title\r\n"u,1",Sad,"two\r\nlines"\r\n')
    assert (candidate.url, candidate.title) == ("u,1", "two\nlines")


def test_rows_without_a_query_keep_their_own_attributes(listed):
    found = listed("url,emotion,query_gender\nu1,sad,female\nu2,sad,male\nu3,sad,female\n")
    assert [(search.query_gender, len(rows)) for search, rows in found] == [("female", 2), ("male", 1)]
    assert len({search.query for search, _ in found}) == 2, "the catalog tells searches apart by their query"


def test_one_query_with_two_sets_of_attributes_is_refused(listed):
    with pytest.raises(
        BtferError, match=r"list\.csv, line 3: query 'q' has another language or other query_\*"
    ):
        listed("url,emotion,query,query_gender\nu1,sad,q,female\nu2,sad,q,male\n")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("url,emotion\n,sad\n,happy\n", "line 2: no url"),
        ("url,emotion\nu,bored\n", "line 2: 'bored' is not one of the seven emotions"),
        ("url\nu\n", "line 2: no emotion; add a column"),
        ("https://a.example/1.jpg\n", "line 1: no emotion"),
        (b"url\n\xff\xfe\n", "not UTF-8"),
        ("url,emotion\n" + "x" * 200_000 + ",sad\n", "line 2: longer than 65536 characters"),
    ],
)
def test_a_mistake_is_named_with_its_line(listed, content, said):
    with pytest.raises(BtferError) as error:
        listed(content)
    assert said in str(error.value)
    assert "list.csv" in str(error.value)


def test_rows_that_cannot_be_taken_are_counted_and_the_others_taken(listed, capsys):
    rows = [
        "u1,sad,a",
        ",sad,a",
        "u2,Suprise,a",
        "u3,contempt,a",
        "u4,contempt,a",
        "u5,happy,a",
        "u6,sad,b",
        "u7,,a",
    ]
    content = "url,emotion,caption\n" + "\n".join(rows) + "\n"
    found = listed(content, "sad", "angry", caption="a")
    assert [item.url for _, items in found for item in items] == ["u1"]
    (line,) = capsys.readouterr().err.splitlines()
    for said in (
        "no url (1 row)",
        "'Suprise' is not one of the seven emotions, did you mean surprise? (1 row)",
        "'contempt' is not one of the seven emotions (2 rows)",
        "not among --emotion sad, angry (1 row)",
        "another caption (1 row)",
        "no emotion; add a column emotion, or give one --emotion (1 row)",
        "the first mistake is on line 3: no url",
    ):
        assert said in line


def test_a_column_of_other_words_is_counted_in_one_short_line(listed, capsys):
    assert len(listed("url,emotion\nu,sad\n" + "".join(f"u{n},word {n}\n" for n in range(5000)))) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "other mistakes (4,990 rows)" in line


@pytest.mark.parametrize("content", ["", "\n\n", "url,emotion\n", "# nothing\n"])
def test_an_empty_list_has_no_searches(listed, content):
    assert listed(content) == []


ROWS = [
    {
        "imageURL": "https://a.example/1.jpg",
        "Caption": "A smiling woman",
        "license_name": "CC BY 4.0",
        "Author": "Ana",
    },
    {
        "imageURL": "https://a.example/2.jpg",
        "Caption": "A cat; sleeping",
        "license_name": "CC0",
        "Author": "Bo, B.",
    },
    {"imageURL": "https://a.example/3.jpg", "Caption": "LAUGHING man", "license_name": "CC0", "Author": ""},
]


def as_csv(delimiter: str, first: str = "") -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, ROWS[0], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(ROWS)
    return (first + text.getvalue()).encode()


def as_parquet() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(
        pa.Table.from_pylist([{**row, "width": 7, "tags": ["x"], "extra": None} for row in ROWS]), sink
    )
    return sink.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        as_csv(","), as_csv("\t"), as_csv(";"), as_csv("|"), as_csv("^", "sep=^\n"), as_csv(";", "\ufeff"),
        "\n".join(json.dumps({**row, "width": 7, "tags": ["x"]}) for row in ROWS).encode(), as_parquet(),
    ],
    ids=["comma", "tab", "semicolon", "bar", "sep", "mark", "json-lines", "parquet"],
)  # fmt: skip
def test_a_list_is_read_in_the_form_it_has(listed, content):
    ((_, found),) = listed(content, "happy")
    assert [(item.url, item.title, item.license, item.creator) for item in found] == [
        tuple(row.values()) for row in ROWS
    ]
    ((_, smiling),) = listed(content, "happy", caption="smil|laugh")
    assert [item.url for item in smiling] == ["https://a.example/1.jpg", "https://a.example/3.jpg"]
    assert listed(content, "happy", caption="nobody") == []


def test_columns_are_named_where_nobody_can_guess_them(listed):
    ((search, [found]),) = listed(
        "bild,mood,who,url\nhttps://a.example/1.jpg,joy,Ana,x\n", url="bild", emotion="mood", creator="who"
    )
    assert (search.emotion, found.url, found.creator) == ("happy", "https://a.example/1.jpg", "Ana")
    with pytest.raises(BtferError, match="no column 'picture' for --column url=picture, only bild, mood"):
        listed("bild,mood\nx,joy\n", url="picture")
    with pytest.raises(BtferError, match="--column image=bild: image is not one of url, emotion"):
        listed("bild,mood\nx,joy\n", image="bild")


def test_an_object_may_leave_out_a_named_column_but_not_all_may(listed):
    content = '{"url": "https://a.example/1.jpg"}\n{"url": "https://a.example/2.jpg", "alt": "smiling", "who": "Ana"}\n'
    ((_, found),) = listed(content, "happy", title="alt", creator="who", caption="smil")
    assert [(item.url, item.creator) for item in found] == [("https://a.example/2.jpg", "Ana")]
    with pytest.raises(BtferError, match="no column 'atl' for --column title=atl, only url, alt, who"):
        listed(content, "happy", title="atl")


@pytest.mark.parametrize(
    "content", ["https://a.example/1.jpg\n", "url,bild\nhttps://a.example/1.jpg,smile\n"]
)
def test_captions_that_a_list_does_not_have_match_nothing_by_mistake(listed, content):
    with pytest.raises(
        BtferError, match="no row has a caption for --where-caption; name its column with --column"
    ):
        listed(content, "happy", caption="smil")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("bild;farbe\nhttps://a.example/1.jpg;rot\n", "line 1: neither an address nor names of columns"),
        ("# mine\n\nphotos of cats\nhttps://a.example/1.jpg\n", "line 3: neither an address nor"),
        ('{"url": "https://a.example/1.jpg"}\n[1]\n', "line 2: expected a JSON object"),
        ('{"url": "https://a.example/1.jpg"}\n{"url": \n', "line 2: not JSON"),
        ('{"src": "https://a.example/1.jpg"}\n', "line 1: no url"),
        (b"PAR1" + bytes(40) + b"PAR1", "not a usable Parquet file"),
        (b"PAR1", "not a usable Parquet file"),
    ],
)
def test_what_is_no_list_is_an_error(listed, content, said):
    with pytest.raises(BtferError) as error:
        listed(content, "happy")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("header", ["url,emotion,Emotion", "url,emotion,emotion"])
def test_a_column_that_is_there_twice_is_refused(listed, header):
    with pytest.raises(BtferError, match="the header has emotion twice"):
        listed(f"{header}\nhttps://a.example/1.jpg,happy,sad\n")


def test_columns_that_are_not_read_may_be_there_twice(listed):
    assert len(listed("url,emotion,,,note,note\nhttps://a.example/1.jpg,happy,,,a,b\n")) == 1


def test_a_wrong_expression_is_an_error_of_the_option(listed):
    with pytest.raises(BtferError, match=r"--where-caption: '\(' is not a regular expression"):
        listed("url\nhttps://a.example/1.jpg\n", "happy", caption="(")


def test_a_folder_is_no_list(tmp_path):
    with pytest.raises(BtferError, match="cannot be read as a list"):
        list(read_urls(tmp_path, EMOTIONS))


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "mine"
    for name in (
        "happy/b.jpg",
        "happy/a.png",
        "happy/deeper/c.webp",
        "Sadness/d.jpg",
        "happy/.hidden.jpg",
        "other/e.jpg",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(picture(name))
    (root / "happy" / "notes.txt").write_text("no picture")
    return root


def test_a_folder_an_emotion_is_a_search_in_the_order_of_names(folder):
    found = list(read_folder(folder, EMOTIONS))
    assert [(search.query, search.emotion) for search, _ in found] == [
        ("mine/Sadness", "sad"),
        ("mine/happy", "happy"),
    ]
    happy = found[1][1]
    assert [candidate.title for candidate in happy] == ["a.png", "b.jpg", "c.webp", "notes.txt"]
    assert [candidate.rank for candidate in happy] == [0, 1, 2, 3]
    assert happy[0].url == (folder / "happy" / "a.png").as_uri()


def test_the_current_folder_has_a_name_too(folder, monkeypatch):
    monkeypatch.chdir(folder)
    from pathlib import Path

    assert [search.query for search, _ in read_folder(Path(), ("happy",))] == ["mine/happy"]


def test_a_folder_without_any_emotion_is_refused(tmp_path):
    (tmp_path / "cats").mkdir()
    with pytest.raises(BtferError, match="no folder in it is named after an emotion"):
        list(read_folder(tmp_path, EMOTIONS))
    with pytest.raises(BtferError, match="no such folder"):
        list(read_folder(tmp_path / "gone", EMOTIONS))
