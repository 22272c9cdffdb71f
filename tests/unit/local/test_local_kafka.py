"""The embedded Kafka's details."""

import pytest

from services.local.kafka import cluster_id


@pytest.mark.parametrize("first", [0xF8, 0xFB, 0x00, 0xFF])
def test_a_cluster_id_is_never_taken_for_an_option(first: int) -> None:
    assert not cluster_id(bytes([first, 0xFB, *range(14)])).startswith("-")


def test_other_ids_are_their_bytes() -> None:
    assert cluster_id(bytes(range(16))) == "AAECAwQFBgcICQoLDA0ODw"
    assert cluster_id(b"\xff\xef" + bytes(14)) == "_-8AAAAAAAAAAAAAAAAAAA"
