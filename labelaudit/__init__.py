"""Find mislabelled training examples with the Dynamic Influence Tracker.

`scan` audits a dataset, `flip_test` measures how well that works; both return what they found. They are imported on
first use, since they bring in torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labelaudit.config import AuditConfig
    from labelaudit.data.sources import load_dataset
    from labelaudit.errors import InputError
    from labelaudit.flip_testing import FlipTest, flip_test
    from labelaudit.report.report import Report
    from labelaudit.scanning import scan

_HOMES = {
    "AuditConfig": "labelaudit.config",
    "FlipTest": "labelaudit.flip_testing",
    "InputError": "labelaudit.errors",
    "Report": "labelaudit.report.report",
    "flip_test": "labelaudit.flip_testing",
    "load_dataset": "labelaudit.data.sources",
    "scan": "labelaudit.scanning",
}

__all__ = ["AuditConfig", "FlipTest", "InputError", "Report", "flip_test", "load_dataset", "scan"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'labelaudit' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
