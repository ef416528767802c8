"""The settings of an earlier report, for another audit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labelaudit.config import AuditConfig
from labelaudit.errors import InputError
from labelaudit.report.report import Report
from labelaudit.settings import audit_config, settings

_FILES = ("weights", "vectors", "image_root")  # paths, which are opened only where the user names them
_OF_THE_MACHINE = ("device", "image_cache", "image_cache_limit", "shard")
_EXCLUSIVE = {"precision": "budget", "budget": "precision"}


def config_like(report: Report, given: Mapping[str, Any]) -> AuditConfig:
    """The settings of a report's audit, and those that are given instead of them.

    Of the fine-tune these are the ones that it ended with, unless another network is given. What belongs to the
    machine, as the device, is not taken over.

    Args:
        report: The earlier report.
        given: Settings by name, see `labelaudit.settings`.

    Raises:
        InputError: The report names code or files, which are never imported or opened on its word and are not given; or
            a given setting is none.
    """
    stored = AuditConfig.model_validate(report.metadata["config"])
    other_network = given.get("model", stored.model.name) != stored.model.name
    training = stored.training.model_dump() if other_network else report.metadata["training"]
    values: dict[str, Any] = {}
    for setting in settings():
        section: Any = stored if setting.section is None else getattr(stored, setting.section)
        found = training[setting.field] if setting.section == "training" else getattr(section, setting.field)
        if setting.name not in _OF_THE_MACHINE and _EXCLUSIVE.get(setting.name) not in given:
            values[setting.name] = found
    if "model" not in given and ":" in (stored.model.name or ""):
        raise InputError(
            f"the network of the report was made by code of your own, {stored.model.name}. What a report names is "
            "never imported: if you trust that code, name it again",
            option="model",
        )
    for name in _FILES:
        if values[name] is not None and name not in given and not (name == "weights" and other_network):
            raise InputError(
                f"the report's scan read {values[name]}. What a report names is never opened: name it again",
                option=name,
            )
    if other_network:
        del values["weights"]
    return audit_config(**values | dict(given))
