"""Files that carry a SHA-256 of what they hold, which is checked before anything of it is used.

That tells damage of any kind, not forgery: whoever can write a file can write its hash, too. So whoever reads one also
checks what it says.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

SEAL = b"labelaudit_sha256"
"""The key a file of any format keeps its hash under."""
BLANK = b"0" * 64
"""What stands in the hash's place while the file is hashed."""
_SEALED = re.compile(re.escape(SEAL) + rb"[^0-9a-f]{1,8}([0-9a-f]{64})")


class DamagedError(Exception):
    """A stored file is not as it was written; the message says in what."""


def seal(path: Path) -> None:
    """Put the hash of a file into the place it has for it, the last `SEAL` with `BLANK` behind it."""
    content = path.read_bytes()
    place = [found for found in _SEALED.finditer(content) if found[1] == BLANK][-1].start(1)
    with path.open("r+b") as file:
        file.seek(place)
        file.write(hashlib.sha256(content).hexdigest().encode())


def is_sealed(content: bytes) -> bool:
    """Check the hash in a file's content; False if it has none.

    Raises:
        DamagedError: It is that of another content.
    """
    found = list(_SEALED.finditer(content))
    if not found:
        return False
    first, last = found[-1].span(1)
    digest = hashlib.sha256(content[:first])
    digest.update(BLANK)
    digest.update(memoryview(content)[last:])
    if digest.hexdigest().encode() != found[-1][1]:
        raise DamagedError("its content is not what its SHA-256 says")
    return True
