"""Secrets that are kept in files."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.errors import InputError
from services.local.secrets import kept_secret


@pytest.fixture
def _open_umask() -> Iterator[None]:
    """A user whose files are everybody's."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_open_umask")
def test_a_secret_is_its_owners_alone_from_the_first_byte_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    replace = Path.replace

    def look(draft: Path, target: Path) -> Path:
        modes.append(draft.stat().st_mode & 0o777)
        return replace(draft, target)

    monkeypatch.setattr(Path, "replace", look)
    made, is_new = kept_secret(tmp_path / "key", "cp_")
    assert is_new and made.startswith("cp_") and len(made) > 30
    assert modes == [0o600] and (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert kept_secret(tmp_path / "key", "cp_") == (made, False)


def test_where_it_cannot_be_kept_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot keep a secret in .*/gone/key: No such file or directory"):
        kept_secret(tmp_path / "gone" / "key")
