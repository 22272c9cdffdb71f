"""Files that are generated and committed: a command that writes them, or says whether they are current."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def outdated(texts: Mapping[str, str], directory: Path) -> list[str]:
    """Names of files in `directory` that are missing or not as in `texts`, and of JSON files that are not in it."""
    names = texts.keys() | {path.name for path in directory.glob("*.json")}
    return sorted(name for name in names if _text(directory / name) != texts.get(name))


def command(
    module: str, about: str | None, texts: Mapping[str, str], directory: Path, arguments: Sequence[str] | None
) -> int:
    """`python -m MODULE [--check] [--directory PATH]`: writes the files, or checks them; returns the exit code, 1 where
    a check fails. `directory` is where they are committed."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=about)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where a file is not current")
    parser.add_argument("--directory", type=Path, default=directory, help="default: where they are committed")
    options = parser.parse_args(arguments)
    place: Path = options.directory
    names = outdated(texts, place)
    if options.check:
        for name in names:
            print(f"{place / name} is not current: run python -m {module}", file=sys.stderr)
        return 1 if names else 0
    place.mkdir(parents=True, exist_ok=True)
    for name in names:
        path = place / name
        if name in texts:
            path.write_text(texts[name], encoding="utf-8")
        else:
            path.unlink()
        print(path)
    return 0


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
