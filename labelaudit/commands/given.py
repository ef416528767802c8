"""What `scan` with probabilities of the user's own reads, where nothing is trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from labelaudit.audit.audit_data import AuditData
from labelaudit.config import AuditConfig, SourceConfig
from labelaudit.data.dataset import NO_LABEL, Dataset
from labelaudit.data.probabilities import OPTION, Expected, read_probabilities
from labelaudit.data.sources import load_dataset
from labelaudit.data.table_columns import BareTableError
from labelaudit.errors import InputError
from labelaudit.progress import Progress
from labelaudit.types import Floats

TRAINS = ("model", "training", "influence")
"""Sections of the settings that mean nothing where nothing is trained."""
MEANT = {"source", "selection", "seed", "deterministic"}
"""What means something nevertheless."""


def check_alone(config: AuditConfig, others: Mapping[str, object]) -> None:
    """Refuse what would be ignored.

    Args:
        config: The settings.
        others: Other arguments by their names.

    Raises:
        InputError: Something has been given that only a training takes.
    """
    plain = AuditConfig()
    named = [name for name, value in others.items() if value is not None]
    for section in TRAINS:
        settings, defaults = getattr(config, section), getattr(plain, section)
        named += [
            field for field in type(settings).model_fields if getattr(settings, field) != getattr(defaults, field)
        ]
    single = [field for field in AuditConfig.model_fields if field not in {*TRAINS, *MEANT}]
    named += [field for field in single if getattr(config, field) != getattr(plain, field)]
    if named:
        raise InputError(
            f"with `pred_probs` nothing is trained, so that `{'model' if named[0] == 'name' else named[0]}` would mean "
            "nothing: leave it out",
            option=OPTION,
        )


def load_labels(source: object, config: SourceConfig, progress: Progress) -> Dataset:
    """A dataset of which labels are enough: of a table whose rows cannot be read, only ids and labels are.

    Raises:
        InputError: It has none.
    """
    try:
        return load_dataset(source, config)
    except InputError as error:
        bare = config.model_copy(update={"feature_columns": (), "kind": "table"})
        try:
            dataset = load_dataset(source, bare)
        except InputError:
            raise error from None
        if not isinstance(error, BareTableError):
            progress.note(f"only ids and labels are read, for {error}")
        return dataset


def read_views(data: AuditData, pred_probs: object, config: AuditConfig, progress: Progress) -> list[Floats]:
    """Each set of probabilities, shape (N, C).

    Args:
        data: The rows they have to go with.
        pred_probs: One set of probabilities, or a list of several.
        config: The settings.
        progress: Told what was taken for granted.

    Raises:
        InputError: They do not go with the data; the message says why.
    """
    dataset = data.dataset
    audited = np.isin(np.arange(len(dataset)), data.audited)
    expected = Expected(
        dataset.ids,
        data.classes,
        np.where(audited, data.labels, NO_LABEL),
        order_is_named=config.source.classes is not None or data.classes == dataset.class_order,
        id_column=dataset.settings.id_column,
    )
    return [read_probabilities(view, expected, progress.note) for view in sets_of(pred_probs)]


def sets_of(pred_probs: object) -> list[object]:
    """Each set of probabilities that was given: one, or a list of files, frames or arrays of two axes."""
    if not isinstance(pred_probs, (list, tuple)):
        return [pred_probs]
    several = all(isinstance(one, (str, Path)) or getattr(one, "ndim", 0) == 2 for one in pred_probs)
    if several and len(pred_probs) > 0:
        return list(pred_probs)
    return [np.asarray(pred_probs)]
