"""Devices that only some systems have."""

from __future__ import annotations

from pathlib import Path

import pytest

FULL = Path("/dev/full")
needs_full_device = pytest.mark.skipif(not FULL.exists(), reason="no device here is always full, as Linux's /dev/full")
