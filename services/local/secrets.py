"""What `up` keeps secret in its data directory: passwords and the API key, readable by their owner only."""

import os
import secrets
from pathlib import Path

from schemas.errors import InputError


def kept_secret(file: Path, prefix: str = "") -> tuple[str, bool]:
    """The secret of a file (mode 600), made where there is none; and whether it was made now.

    Raises InputError where the file cannot be read or written.
    """
    try:
        if file.exists() and (kept := file.read_text(encoding="utf-8").strip()):
            return kept, False
        made = prefix + secrets.token_urlsafe(24)
        draft = file.with_name(file.name + ".new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as output:
            output.write(made + "\n")
        draft.replace(file)
    except OSError as error:
        raise InputError(f"cannot keep a secret in {file}: {error.strerror}") from error
    return made, True
