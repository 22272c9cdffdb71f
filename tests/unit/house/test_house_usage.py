"""Wrong usage of the command line: one line that says what is wrong and where to read on, and exit code 2."""

import sys

import pytest

from services import cli


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--colour", "No such option: --colour; see contactpulse --help"),
        ("upp", "No such command 'upp'. Did you mean 'up'? see contactpulse --help"),
        ("up --port http", "Invalid value for '--port': Input should be a valid integer, unable to parse string as an "
         "integer; see contactpulse up --help"),
        ("up --workers 0", "--workers must be at least 1"),
        ("check-policy", "Missing argument 'policy'; see contactpulse check-policy --help"),
        ("check-policy a b", "Got unexpected extra argument(s) (b); see contactpulse check-policy --help"),
        ("convert banks", "No such command 'banks'; see contactpulse convert --help"),
        ("check-policy /none/p.yaml", "/none/p.yaml: cannot be read: No such file or directory"),
        ("", "No command; see contactpulse --help"),
    ],
)  # fmt: skip
def test_wrong_usage_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str, says: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["contactpulse", *line.split()])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert (caught.value.code, capsys.readouterr().err) == (2, f"contactpulse: {says}\n")


def test_help_and_success_are_no_errors(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for line in ("--help", "check-policy --help", "check-policy --quiet schemas/default_policy.yaml"):
        monkeypatch.setattr(sys, "argv", ["contactpulse", *line.split()])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        assert (caught.value.code or 0, capsys.readouterr().err) == (0, "")
