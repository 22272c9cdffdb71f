"""`python -m grafana.build` writes grafana/boards/*.json from the metric catalogue; `--check` says whether they are
current."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana import operations, sla

DIRECTORY = Path(__file__).parent / "boards"


def texts() -> dict[str, str]:
    """Every board by file name, as it is committed."""
    boards = {"operations.json": operations.build(), "sla.json": sla.build()}
    return {
        name: json.dumps(board, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        for name, board in boards.items()
    }


def outdated(directory: Path = DIRECTORY) -> list[str]:
    """Names of files in `directory` that are missing, not current, or of no board."""
    wanted = texts()
    there = {path.name: path.read_text(encoding="utf-8") for path in directory.glob("*.json")}
    return sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))


def main(arguments: list[str] | None = None) -> int:
    """Writes or checks the boards; exit code 1 where a check fails."""
    parser = argparse.ArgumentParser(prog="python -m grafana.build", description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where a board is not current")
    parser.add_argument("--directory", type=Path, default=DIRECTORY, help="default: grafana/boards")
    options: Any = parser.parse_args(arguments)
    names = outdated(options.directory)
    if options.check:
        for name in names:
            print(f"{options.directory / name} is not current: run python -m grafana.build", file=sys.stderr)
        return 1 if names else 0
    options.directory.mkdir(parents=True, exist_ok=True)
    current = texts()
    for name in names:
        path = options.directory / name
        if name in current:
            path.write_text(current[name], encoding="utf-8")
        else:
            path.unlink()
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
