"""Find mislabelled training examples with the Dynamic Influence Tracker.

`scan` audits a dataset, `flip_test` measures how well that works, `check` audits what is new since a baseline; all
return what they found. `track` trains a network
of one's own and records the run; `dynamic_influence`, `leave_one_out` and `influence_function` then say how much each
training row changes a query over any window of it. All are imported on first use, since they bring in torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labelaudit.checking.check import check
    from labelaudit.config import AuditConfig, audit_config
    from labelaudit.data.examples import Features
    from labelaudit.data.sources import load_dataset
    from labelaudit.errors import InputError
    from labelaudit.flip_testing import FlipTest, flip_test
    from labelaudit.influence.agreement import agreement
    from labelaudit.influence.dynamics import classify_patterns, training_stages
    from labelaudit.influence.estimate import dynamic_influence, dynamic_influences
    from labelaudit.influence.influence_function import Solver, influence_function
    from labelaudit.influence.leave_one_out import leave_one_out
    from labelaudit.influence.queries import ValueQuery, feature_importance, parameter_importance, prediction
    from labelaudit.influence.query_loss import TestLoss, loss_by_class, loss_by_sample
    from labelaudit.influence.scoring import Scoring
    from labelaudit.report.report import Report
    from labelaudit.scanning import scan
    from labelaudit.tracking import track
    from labelaudit.training.fine_tune import Plan
    from labelaudit.training.optimizers import SGD, AdamW
    from labelaudit.training.window import Window

_HOMES = {
    "prediction": "labelaudit.influence.queries",
    "parameter_importance": "labelaudit.influence.queries",
    "loss_by_sample": "labelaudit.influence.query_loss",
    "loss_by_class": "labelaudit.influence.query_loss",
    "feature_importance": "labelaudit.influence.queries",
    "SGD": "labelaudit.training.optimizers",
    "AdamW": "labelaudit.training.optimizers",
    "AuditConfig": "labelaudit.config",
    "Features": "labelaudit.data.examples",
    "FlipTest": "labelaudit.flip_testing",
    "InputError": "labelaudit.errors",
    "Plan": "labelaudit.training.fine_tune",
    "Report": "labelaudit.report.report",
    "Scoring": "labelaudit.influence.scoring",
    "Solver": "labelaudit.influence.influence_function",
    "TestLoss": "labelaudit.influence.query_loss",
    "ValueQuery": "labelaudit.influence.queries",
    "Window": "labelaudit.training.window",
    "agreement": "labelaudit.influence.agreement",
    "audit_config": "labelaudit.config",
    "check": "labelaudit.checking.check",
    "classify_patterns": "labelaudit.influence.dynamics",
    "dynamic_influence": "labelaudit.influence.estimate",
    "dynamic_influences": "labelaudit.influence.estimate",
    "flip_test": "labelaudit.flip_testing",
    "influence_function": "labelaudit.influence.influence_function",
    "leave_one_out": "labelaudit.influence.leave_one_out",
    "load_dataset": "labelaudit.data.sources",
    "scan": "labelaudit.scanning",
    "track": "labelaudit.tracking",
    "training_stages": "labelaudit.influence.dynamics",
}

__all__ = [
    "SGD",
    "AdamW",
    "AuditConfig",
    "Features",
    "FlipTest",
    "InputError",
    "Plan",
    "Report",
    "Scoring",
    "Solver",
    "TestLoss",
    "ValueQuery",
    "Window",
    "agreement",
    "audit_config",
    "check",
    "classify_patterns",
    "dynamic_influence",
    "dynamic_influences",
    "feature_importance",
    "flip_test",
    "influence_function",
    "leave_one_out",
    "load_dataset",
    "loss_by_class",
    "loss_by_sample",
    "parameter_importance",
    "prediction",
    "scan",
    "track",
    "training_stages",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'labelaudit' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
