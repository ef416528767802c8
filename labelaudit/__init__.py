"""Find mislabelled training examples with the Dynamic Influence Tracker.

`scan` audits a dataset, `flip_test` measures how well that works, `check` audits what is new since a baseline; all
return what they found. `track` trains a network of one's own and records the run; `dynamic_influence`,
`leave_one_out` and `influence_function` then say how much each training row changes a query over any window of it.

The public API is what this module names; every name is imported on first use, since most bring in torch.
"""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from labelaudit.runtime.launch import set_environment

if TYPE_CHECKING:
    from labelaudit.commands.check import check as check
    from labelaudit.commands.flip_test import FlipTest as FlipTest
    from labelaudit.commands.flip_test import flip_test as flip_test
    from labelaudit.commands.refine import Refinement as Refinement
    from labelaudit.commands.refine import refine as refine
    from labelaudit.commands.scan import scan as scan
    from labelaudit.config import AuditConfig as AuditConfig
    from labelaudit.data.batches import Features as Features
    from labelaudit.data.sources import load_dataset as load_dataset
    from labelaudit.errors import InputError as InputError
    from labelaudit.influence.agreement import agreement as agreement
    from labelaudit.influence.dynamics import classify_patterns as classify_patterns
    from labelaudit.influence.dynamics import training_stages as training_stages
    from labelaudit.influence.estimate import dynamic_influence as dynamic_influence
    from labelaudit.influence.estimate import dynamic_influences as dynamic_influences
    from labelaudit.influence.influence_function import Solver as Solver
    from labelaudit.influence.influence_function import influence_function as influence_function
    from labelaudit.influence.leave_one_out import leave_one_out as leave_one_out
    from labelaudit.influence.queries import ValueQuery as ValueQuery
    from labelaudit.influence.queries import feature_importance as feature_importance
    from labelaudit.influence.queries import parameter_importance as parameter_importance
    from labelaudit.influence.queries import prediction as prediction
    from labelaudit.influence.query_loss import QueryLoss as QueryLoss
    from labelaudit.influence.query_loss import loss_by_class as loss_by_class
    from labelaudit.influence.query_loss import loss_by_sample as loss_by_sample
    from labelaudit.influence.scoring import Scoring as Scoring
    from labelaudit.report.estimates import Accuracy as Accuracy
    from labelaudit.report.estimates import ConfusedPair as ConfusedPair
    from labelaudit.report.estimates import ExpectedPrecision as ExpectedPrecision
    from labelaudit.report.estimates import NoiseEstimate as NoiseEstimate
    from labelaudit.report.report import Report as Report
    from labelaudit.settings import audit_config as audit_config
    from labelaudit.training.fine_tune import Plan as Plan
    from labelaudit.training.optimizers import SGD as SGD
    from labelaudit.training.optimizers import AdamW as AdamW
    from labelaudit.training.track import track as track
    from labelaudit.training.window import Window as Window

_PUBLIC = {
    "labelaudit.commands.check": ["check"],
    "labelaudit.commands.flip_test": ["FlipTest", "flip_test"],
    "labelaudit.commands.refine": ["Refinement", "refine"],
    "labelaudit.commands.scan": ["scan"],
    "labelaudit.config": ["AuditConfig"],
    "labelaudit.data.batches": ["Features"],
    "labelaudit.data.sources": ["load_dataset"],
    "labelaudit.errors": ["InputError"],
    "labelaudit.influence.agreement": ["agreement"],
    "labelaudit.influence.dynamics": ["classify_patterns", "training_stages"],
    "labelaudit.influence.estimate": ["dynamic_influence", "dynamic_influences"],
    "labelaudit.influence.influence_function": ["Solver", "influence_function"],
    "labelaudit.influence.leave_one_out": ["leave_one_out"],
    "labelaudit.influence.queries": ["ValueQuery", "feature_importance", "parameter_importance", "prediction"],
    "labelaudit.influence.query_loss": ["QueryLoss", "loss_by_class", "loss_by_sample"],
    "labelaudit.influence.scoring": ["Scoring"],
    "labelaudit.report.estimates": ["Accuracy", "ConfusedPair", "ExpectedPrecision", "NoiseEstimate"],
    "labelaudit.report.report": ["Report"],
    "labelaudit.settings": ["audit_config"],
    "labelaudit.training.fine_tune": ["Plan"],
    "labelaudit.training.optimizers": ["SGD", "AdamW"],
    "labelaudit.training.track": ["track"],
    "labelaudit.training.window": ["Window"],
}
_HOMES = {name: module for module, names in _PUBLIC.items() for name in names}

__version__ = version("labelaudit")
__all__ = ["__version__", *_HOMES]

set_environment()


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'labelaudit' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
