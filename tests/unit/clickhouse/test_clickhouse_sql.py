"""Reading statements: where an INSERT's data begin, which format ends a SELECT, what words a statement has."""

import pytest

from services.clickhouse.sql import (
    Insert,
    first_word,
    output_format,
    read_insert,
    reading_from,
    without_format,
    words_outside_strings,
)


@pytest.mark.parametrize(
    ("text", "statement", "fmt", "data"),
    [
        (b"INSERT INTO t FORMAT Native\n\x01\x02", b"INSERT INTO t ", "Native", b"\x01\x02"),
        (b"insert into t (a, b) format CSV 1,2", b"insert into t (a, b) ", "CSV", b"1,2"),
        (b"INSERT INTO t FORMAT CSV \r\n\n1", b"INSERT INTO t ", "CSV", b"\n1"),
        (b"INSERT INTO format FORMAT TSV\n", b"INSERT INTO format ", "TSV", b""),
        (b"INSERT INTO TABLE db.values FORMAT TSV\n1", b"INSERT INTO TABLE db.values ", "TSV", b"1"),
        (b'INSERT INTO t (`format`, "values") FORMAT TSV\n1', b'INSERT INTO t (`format`, "values") ', "TSV", b"1"),
        (
            b"-- FORMAT X\n/* VALUES */ INSERT INTO t FORMAT TSV\n1",
            b"-- FORMAT X\n/* VALUES */ INSERT INTO t ",
            "TSV",
            b"1",
        ),
        (
            b"INSERT INTO t SETTINGS a = 'FORMAT Z' FORMAT TSV\n1",
            b"INSERT INTO t SETTINGS a = 'FORMAT Z' ",
            "TSV",
            b"1",
        ),
        (b"INSERT INTO {t:Identifier} FORMAT TSV\n1", b"INSERT INTO {t:Identifier} ", "TSV", b"1"),
        (b"INSERT INTO FUNCTION null('a Int8') FORMAT TSV\n1", b"INSERT INTO FUNCTION null('a Int8') ", "TSV", b"1"),
    ],
)
def test_the_data_of_an_insert(text: bytes, statement: bytes, fmt: str, data: bytes) -> None:
    found = read_insert(text)
    assert found == Insert(statement, fmt, len(text) - len(data))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"INSERT",
        b"INSERT INTO t",
        b"INSERT INTO t VALUES ('FORMAT CSV')",
        b"INSERT INTO t (a) SELECT 1 FORMAT CSV",
        b"INSERT INTO t FROM INFILE 'x' FORMAT CSV",
        b"INSERT INTO t FORMAT",
        b"SELECT 1 FORMAT CSV",
        b"WITH 1 AS x INSERT INTO t FORMAT CSV",
        b"\xff\x00INSERT INTO t FORMAT CSV\n1",
    ],
)
def test_statements_without_data_in_a_format(text: bytes) -> None:
    assert read_insert(text) is None


@pytest.mark.parametrize(
    ("text", "fmt", "rest"),
    [
        (b"SELECT 1", None, b"SELECT 1"),
        (b"SELECT 1\n FORMAT Native", "Native", b"SELECT 1"),
        (b"SELECT 1 format JSON ; ", "JSON", b"SELECT 1"),
        (b"SELECT 1 FORMAT JSON SETTINGS max_threads = 1, a = 'b'; -- x\n/* y */", "JSON", b"SELECT 1"),
        (b"SELECT ' FORMAT JSON'", None, b"SELECT ' FORMAT JSON'"),
        (b"SELECT 1;", None, b"SELECT 1"),
        (b"SELECT " + b"x" * 5000 + b" FORMAT CSV", "CSV", b"SELECT " + b"x" * 5000),
    ],
)
def test_the_format_that_ends_a_statement(text: bytes, fmt: str | None, rest: bytes) -> None:
    assert output_format(text) == fmt
    assert without_format(text) == rest


@pytest.mark.parametrize(
    ("text", "word"),
    [(b"select 1", "SELECT"), (b" /* x */ -- y\n#!z\n WITH a", "WITH"), (b"(SELECT 1)", "("), (b"", ""), (b"'x'", "'")],
)
def test_the_first_word(text: bytes, word: str) -> None:
    assert first_word(text) == word


def test_words_outside_strings_cannot_be_hidden() -> None:
    assert words_outside_strings("SELECT FILE('a file'), 'python'") == {"select", "file"}
    assert "file" in words_outside_strings("SELECT `'`, file('x') AS `'`")
    assert "file" in words_outside_strings("SELECT \"'\", `file`('x')")
    assert "file" in words_outside_strings("SELECT 'it\\'s', file('y''z')")


@pytest.mark.parametrize(
    ("head", "whole"),
    [
        (b"INSERT INTO t", b"INSERT INTO t FROM INFILE '/x' COMPRESSION 'none'  FORMAT CSV"),
        (
            b"INSERT INTO t (settings) SETTINGS a = 'settings'",
            b"INSERT INTO t (settings)  FROM INFILE '/x' COMPRESSION 'none' SETTINGS a = 'settings' FORMAT CSV",
        ),
        (b"INSERT INTO settings", b"INSERT INTO settings FROM INFILE '/x' COMPRESSION 'none'  FORMAT CSV"),
    ],
)
def test_the_data_of_an_insert_may_stand_in_a_file(head: bytes, whole: bytes) -> None:
    assert reading_from(head, "/x", "CSV") == whole
