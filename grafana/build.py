"""`python -m grafana.build` writes grafana/boards/*.json from the metric catalogue; `--check` says whether they are
current."""

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana import operations, sla
from schemas import generated

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
    return generated.outdated(texts(), directory)


def main(arguments: list[str] | None = None) -> int:
    """Writes or checks the boards; exit code 1 where a check fails."""
    return generated.command("grafana.build", main.__doc__, texts(), DIRECTORY, arguments)


if __name__ == "__main__":
    sys.exit(main())
