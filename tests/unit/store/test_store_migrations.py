"""Migration files are read in order and held to their rules before any of them runs."""

from importlib.resources import files
from pathlib import Path

import pytest

from schemas.errors import InputError
from services.api.history import HISTORY_DAYS
from services.store.migrations import read_migrations, split_statements


def test_the_shipped_migrations_keep_the_rules() -> None:
    migrations = read_migrations(files("deploy") / "clickhouse" / "migrations")
    assert migrations[0].name == "0001_events_outcomes.sql"
    assert all(migration.statements for migration in migrations)


def test_the_api_knows_how_long_the_history_is_kept() -> None:
    migrations = read_migrations(files("deploy") / "clickhouse" / "migrations")
    [table] = [
        s for m in migrations for s in m.statements if s.startswith("CREATE TABLE IF NOT EXISTS outcome_history")
    ]
    assert f"TTL toDateTime(told_at) + INTERVAL {HISTORY_DAYS} DAY" in table


def test_statements_end_at_a_semicolon_at_a_line_end() -> None:
    sql = "-- first; of two\nCREATE TABLE IF NOT EXISTS a (x String DEFAULT ';');\n\n  -- b;\nDROP TABLE IF EXISTS b;\n"
    assert list(split_statements(sql)) == [
        "CREATE TABLE IF NOT EXISTS a (x String DEFAULT ';')",
        "DROP TABLE IF EXISTS b",
    ]


def test_files_come_in_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("0002_b.sql", "0001_a.sql", "0010_c.sql", "README.md"):
        (tmp_path / name).write_text("DROP TABLE IF EXISTS x;")
    assert [migration.name for migration in read_migrations(tmp_path)] == ["0001_a.sql", "0002_b.sql", "0010_c.sql"]


@pytest.mark.parametrize(
    ("names", "sql", "complaint"),
    [
        (["1_a.sql"], "DROP TABLE IF EXISTS x;", "named like"),
        (["0001_a.sql", "0001_b.sql"], "DROP TABLE IF EXISTS x;", "same number"),
        (["0001_a.sql"], "DROP TABLE x;", r"0001_a.sql: 'DROP TABLE x' cannot be repeated"),
        (["0001_a.sql"], "INSERT INTO x VALUES (1);", "cannot be repeated"),
    ],
)
def test_a_file_that_breaks_a_rule_is_named(tmp_path: Path, names: list[str], sql: str, complaint: str) -> None:
    for name in names:
        (tmp_path / name).write_text(sql)
    with pytest.raises(InputError, match=complaint):
        read_migrations(tmp_path)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE x ADD COLUMN IF NOT EXISTS y String",
        "ALTER TABLE x\n    MODIFY TTL toDateTime(at) + INTERVAL 1 YEAR",
        "CREATE OR REPLACE VIEW v AS SELECT 1",
    ],
)
def test_statements_that_can_be_repeated_are_allowed(tmp_path: Path, statement: str) -> None:
    (tmp_path / "0001_a.sql").write_text(f"{statement};\n")
    assert read_migrations(tmp_path)[0].statements == (statement,)
