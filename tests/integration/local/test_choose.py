"""Which broker `up` takes, and what it says where Apache Kafka cannot be had."""

import re
from pathlib import Path

import pytest

from schemas.errors import WorkFailed
from services.local.choose import choose_broker
from services.local.jars import class_path, fetch_jars, pinned_jars
from services.local.ports import free_port


@pytest.fixture
def no_maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without cached jars whose Maven mirror is away."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CONTACTPULSE_MAVEN", f"http://127.0.0.1:{free_port()}")


def test_cached_jars_are_found_without_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = fetch_jars()
    monkeypatch.setenv("CONTACTPULSE_MAVEN", f"http://127.0.0.1:{free_port()}")
    assert fetch_jars() == class_path() == cached
    assert choose_broker(tmp_path, print).title == "Apache Kafka"


@pytest.mark.usefixtures("no_maven")
def test_a_jar_that_cannot_be_fetched_is_named() -> None:
    with pytest.raises(WorkFailed, match=r"cannot fetch .*\.jar from http://127\.0\.0\.1:"):
        fetch_jars()


@pytest.mark.usefixtures("no_maven")
def test_without_jars_tansu_stands_in_and_one_line_says_what_that_means(tmp_path: Path) -> None:
    said: list[str] = []
    assert choose_broker(tmp_path, said.append).title == "Tansu"
    assert said == ["Apache Kafka's jars cannot be had: using Tansu in memory; a restart forgets what is in the broker"]


@pytest.mark.usefixtures("no_maven")
def test_no_stand_in_hides_the_data_of_kafka(tmp_path: Path) -> None:
    (tmp_path / "kafka" / "log").mkdir(parents=True)
    with pytest.raises(WorkFailed, match=re.escape(f"{tmp_path / 'kafka'} holds data")):
        choose_broker(tmp_path, print)


def test_every_jar_is_pinned_by_hash() -> None:
    jars = pinned_jars()
    assert len(jars) == len({jar.filename for jar in jars}) == 46
    assert all(re.fullmatch("[0-9a-f]{64}", jar.sha256) for jar in jars)
