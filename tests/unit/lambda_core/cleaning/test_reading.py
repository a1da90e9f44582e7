"""Records as they came, read into texts: CSV and JSON alike, and what is no record says so."""

from __future__ import annotations

import json
import random

from lambda_core.cleaning import read_fields
from lambda_core.config.origins import Files
from lambda_core.config.sources import Source

COLUMNS = {"id": {"type": "string"}, "price": {"type": "decimal", "field": "Unit Price"}}


def source(**columns) -> Source:
    return Source.model_validate(
        {"kind": "reference", "topic": "t", "columns": columns or COLUMNS, "unique_key": ["id"]},
    )


def read(frame, declared: Source | None = None, headers=()) -> list[tuple]:
    rows = read_fields(declared or source(), frame, headers).orderBy("offset").collect()
    return [(*row["_fields"], row["_broken"]) for row in rows]


def test_a_line_of_csv_gives_its_fields_by_the_names_of_its_header(records):
    header = 'other,Unit Price,id,"a, b"'
    lines = [b'x,1.10,"a ""b"", c",', b"x,,,y", b"x, 1 ,\xc3\xbc,"]

    assert read(records(lines, header), headers=[header]) == [
        ('a "b", c', "1.10", None),
        ("", "", None),
        ("ü", " 1 ", None),
    ]


def test_files_with_other_headers_are_each_read_by_their_own(records):
    first, second = "id,Unit Price", "Unit Price,more,id"
    frame = records([b"a,1"], first).union(records([b"2,x,b"], second)).union(records([b'{"id":"c"}']))

    found = [(*row["_fields"], row["_broken"]) for row in read_fields(source(), frame, [first, second]).collect()]

    assert found == [("a", "1", None), ("b", "2", None), ("c", None, None)]


def test_lines_are_read_the_same_where_there_can_be_no_objects(records):
    first, second = "id,Unit Price", "Unit Price,more,id"
    frame = records([b"a,1", b"broken", b'{"id":"c"}', b"\xff,1"], first).union(records([b"2,x,b", None], second))

    with_objects, alone = (
        [tuple(row) for row in read_fields(source(), frame, [first, second], objects=objects).collect()]
        for objects in (True, False)
    )

    assert alone == with_objects
    assert len(alone) == 6


def test_a_line_is_parted_by_the_declared_separator_and_no_other(records):
    header, files = "id\tUnit Price", {"path": "x", "separator": "\t"}
    parted = source().model_copy(update={"files": Files.model_validate(files)})

    assert read(records([b"a,b\t1,5", b'"a\tb"\t2', b"a,1"], header), parted, [header])[:2] == [
        ("a,b", "1,5", None),
        ("a\tb", "2", None),
    ]


def test_lines_under_a_header_that_names_nothing_declared_say_so_once(records):
    header = "id\tUnit Price"

    ((*fields, broken),) = read(records([b"a\t1"], header), headers=[header])

    assert fields == [None, None]
    assert broken == "record: expected one of Unit Price, id in the header, found 'id\tUnit Price'"


def test_a_column_that_the_header_lacks_is_missing(records):
    assert read(records([b"a"], "id"), headers=["id"]) == [("a", None, None)]


def test_a_line_with_another_number_of_fields_is_broken(records):
    lines = [b"a", b"a,1,2", b'"a,1']

    found = [broken for *_, broken in read(records(lines, "id,Unit Price"), headers=["id,Unit Price"])]

    expected = "record: expected a line of CSV with the 2 fields of its header"
    assert found == [f"{expected}, found '{line.decode()}'" for line in lines]


def test_a_json_object_gives_its_fields_to_the_last_digit(records):
    values = [
        b'{"id":"a","Unit Price":1.10,"more":[1]}',
        b'{"Unit Price":123456789012345678901234.5,"id":null}',
        b' {"id":"","Unit Price":"NA"}',
        b'{"id":true,"Unit Price":{"x": 1}}',
        b"{}",
    ]

    assert read(records(values)) == [
        ("a", "1.1", None),
        (None, "123456789012345678901234.5", None),
        ("", "NA", None),
        ("true", '{"x":1}', None),
        (None, None, None),
    ]


NO_OBJECTS = [
    b"",
    b"null",
    b"12",
    b'"text"',
    b"[]",
    b'[{"id":"a"}]',
    b'{"id":"a"',
    b'{"id":}',
    b"id,1",
    b'{"id":"a"} x',
    b'{"id":"a"}]x',
    b'{"id":"a"}}{',
    b"{},{}",
    b'{},"id":1',
    b'{"id":NaN}',
]


def test_a_quoted_field_that_goes_on_in_the_next_line_breaks_both(records):
    header = "id,Unit Price,note"
    halves = ['a,"1', '2",x', 'b,2,"long', 'text"', 'c,3,"the ""end', 'd,4,"', 'e,4,"""', 'f,4,"x,']
    whole = ['g,5,"said ""so"""', 'h,6,5" wide', 'i,7,""', 'j,8,""""', 'k,9,"x,"', "l,0,"]

    found = read(records([line.encode() for line in (*halves, *whole)], header), headers=[header])
    alone = read(records([b'"long', b'"whole"', b'""'], "id"), headers=["id"])

    assert [name for name, _, broken in found if broken is None] == ["g", "h", "i", "j", "k", "l"]
    assert found[2][2] == "record: expected a line of CSV with the 3 fields of its header, found 'b,2,\"long'"
    assert [broken is None for *_, broken in alone] == [False, True, True]


def test_what_is_no_json_object_is_broken_and_quoted(records):
    found = [broken for *_, broken in read(records(NO_OBJECTS))]

    assert found == [f"record: expected a JSON object, found '{value.decode()}'" for value in NO_OBJECTS]


def spoiled(count: int) -> list[bytes]:
    """Objects with a few characters more or less."""
    draw, texts = random.Random(7), ['{"id":"a"}', '{"id":"}"} ', '{"id":{"b":[1,{}]},"c":2}', ' {"id":1}', "{}"]
    found = []
    for _ in range(count):
        text = draw.choice(texts)
        for _ in range(draw.randrange(4)):
            place = draw.randrange(len(text) + 1)
            text = text[:place] + draw.choice([*'{}[]",: 1x', "},", '"d":1', ""]) + text[place + draw.randrange(2) :]
        found.append(text.encode())
    return found


def is_object(value: bytes) -> bool:
    """Whether it is one object and nothing else, no key twice, as Python sees it."""

    def once(pairs):
        if len({name for name, _ in pairs}) < len(pairs):
            raise ValueError(pairs)
        return dict(pairs)

    try:
        return isinstance(json.loads(value, object_pairs_hook=once, parse_constant=int), dict)  # no NaN
    except ValueError:
        return False


def test_one_whole_object_and_nothing_behind_it_is_a_record_whatever_its_braces(records):
    values = [*spoiled(3_000), *NO_OBJECTS]
    taken = [broken is None for *_, broken in read(records(values))]
    expected = [is_object(value) for value in values]
    wrong = [value for value, found, right in zip(values, taken, expected, strict=True) if found != right]
    assert wrong == []
    assert 300 < sum(taken) < 2_700


def test_bytes_that_are_no_utf8_are_broken(records):
    assert read(records([b'{"id":"\xff\xfe"}']))[0][2] == "record: expected UTF-8 text, found other bytes"
    assert read(records([b"\xff,1"], "id,Unit Price"), headers=["id,Unit Price"])[0][2].startswith(
        "record: expected UTF-8"
    )


def test_a_record_without_value_is_broken(records):
    assert read(records([None]))[0][2] == "record: expected a value, found none"


def test_a_frame_without_headers_column_is_json(records):
    assert read(records([b'{"id":"a"}']).drop("header")) == [("a", None, None)]
