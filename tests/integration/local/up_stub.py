"""`contactpulse up` with the stub for parts; the broker is real. python up_stub.py DIRECTORY PORT [--demo]
[--policy=FILE]"""

import sys
from pathlib import Path

from schemas.errors import ContactPulseError
from services.local.up import UpOptions, up

STUB = Path(__file__).with_name("parts_stub.py")


def main() -> int:
    directory, port = Path(sys.argv[1]), int(sys.argv[2])
    policy = next((Path(flag.removeprefix("--policy=")) for flag in sys.argv if flag.startswith("--policy=")), None)
    options = UpOptions(port=port, data_dir=directory, demo="--demo" in sys.argv, workers=2, policy=policy)
    try:
        return up(options, program=(sys.executable, str(STUB)))
    except ContactPulseError as error:
        print(f"contactpulse: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    raise SystemExit(main())
