import gzip

import pytest

from schemas.errors import InputError
from services.convert.source import read_lines

TEXT = "one\ntwo\n"


def test_plain_and_gzipped_files_are_read_alike(tmp_path):
    (tmp_path / "log.tsv").write_text(TEXT)
    (tmp_path / "log.gz").write_bytes(gzip.compress(TEXT.encode(), mtime=0))
    assert list(read_lines(tmp_path / "log.tsv")) == list(read_lines(tmp_path / "log.gz")) == ["one\n", "two\n"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        (gzip.compress(TEXT.encode(), mtime=0)[:-6], "ended before the end-of-stream"),
        (b"\xff\xfe\n", "can't decode byte 0xff"),
    ],
)
def test_what_cannot_be_read_is_named_with_the_reason(content, message, tmp_path):
    file = tmp_path / "nowhere.tsv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=rf"nowhere\.tsv: cannot be read: .*{message}"):
        list(read_lines(file))
