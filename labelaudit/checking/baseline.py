"""A baseline: a report, and the networks an audit of a later version goes on from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from labelaudit.audit import Audit
from labelaudit.checking.changes import Row
from labelaudit.checking.place import NETWORKS, baseline_folder
from labelaudit.config import AuditConfig, TrainingConfig
from labelaudit.detection.ranking import MORE_PROBABLY_WRONG
from labelaudit.errors import InputError
from labelaudit.files import write_atomically
from labelaudit.report.report import FILE_NAME, Report


@dataclass(frozen=True)
class Baseline:
    """An earlier audit.

    Attributes:
        report: What it found.
        config: Its settings.
        training: Its fine-tune, nothing left open.
        fold_of: Which fold trained on a row, −1 for none, shape (N,).
        thetas: Each fold's network after it; None where a new one costs little.
    """

    report: Report
    config: AuditConfig
    training: TrainingConfig
    fold_of: torch.Tensor
    thetas: tuple[Tensor, ...] | None

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names."""
        return tuple(self.report.metadata["classes"])

    @property
    def rows(self) -> list[Row]:
        """Id, content hash and label of each row."""
        columns = (self.report.table[name].to_pylist() for name in ("id", "content_hash", "label"))
        return list(zip(*columns, strict=True))

    @property
    def query_rows(self) -> tuple[int, ...]:
        """Rows that were held out as the query."""
        return tuple(row for row, s in enumerate(self.report.table["status"].to_pylist()) if s == "query")

    @property
    def threshold(self) -> float:
        """The score above which a label is under suspicion: that of the baseline's last suspect, or one half."""
        scores = [
            score
            for score, suspect in zip(*(self.report.table[n].to_pylist() for n in ("score", "suspect")), strict=True)
            if suspect
        ]
        aimed = self.config.aim.precision is not None or self.config.aim.budget is not None
        return float(np.nextafter(min(scores), 0)) if scores and aimed else MORE_PROBABLY_WRONG


def save_baseline(folder: Path, report: Report, audit: Audit) -> None:
    """Write the report and the networks; the networks last, so that half a baseline is recognised as such."""
    (folder / NETWORKS).unlink(missing_ok=True)
    report.save(folder / FILE_NAME)
    networks = audit.findings.networks
    tensors = {"fold_of": torch.from_numpy(networks.fold_of)}
    if audit.lasting:
        tensors |= {f"theta-{number}": theta for number, theta in enumerate(networks.thetas)}
    identity = {"dataset_fingerprint": report.metadata["dataset_fingerprint"]}
    write_atomically(folder / NETWORKS, lambda file: save_file(tensors, file, metadata=identity))


def load_baseline(path: Path) -> Baseline:
    """Read a baseline back.

    Args:
        path: Its folder, or the report in it.

    Raises:
        InputError: There is none, or it is damaged, of another version, or put together from two.
    """
    folder = baseline_folder(path)
    report = Report.load(path)
    try:
        with safe_open(folder / NETWORKS, framework="pt") as file:
            identity = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # it is no mapping
        fold_of = tensors.pop("fold_of")
    except (OSError, SafetensorError, KeyError) as error:
        raise InputError(f"--baseline: {folder / NETWORKS} is damaged ({error}); make the baseline anew") from error
    if identity.get("dataset_fingerprint") != report.metadata["dataset_fingerprint"]:
        raise InputError(f"--baseline: report and networks in {folder} are of two audits; make the baseline anew")
    try:
        config = AuditConfig.model_validate(report.metadata["config"])
        training = TrainingConfig.model_validate(report.metadata["training"])
    except ValidationError as error:
        raise InputError(f"--baseline: {folder} was made by another version; make it anew") from error
    thetas = tuple(tensors[f"theta-{number}"] for number in range(len(tensors))) or None
    return Baseline(report, config, training, fold_of, thetas)
