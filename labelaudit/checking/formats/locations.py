"""Where a row is, as the services that show results want it: relative to where the check ran."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote


def relative_path(path: str) -> str:
    """A path from the working folder, with forward slashes; one that is not below it stays as it is."""
    plain = Path(os.path.normpath(path))
    here = Path.cwd()
    return (plain.relative_to(here) if plain.is_relative_to(here) else plain).as_posix()


def uri(path: str) -> str:
    """A relative URI for what lies below the working folder, an absolute one for other absolute paths."""
    plain = relative_path(path)
    return Path(plain).as_uri() if Path(plain).is_absolute() else quote(plain, safe="/")
