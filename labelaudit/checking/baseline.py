"""A baseline: a report, and the networks an audit of a later version goes on from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from labelaudit.audit.audit import Audit
from labelaudit.checking.baseline_folder import NETWORKS, baseline_folder
from labelaudit.checking.changes import Row
from labelaudit.config import AuditConfig, TrainingConfig
from labelaudit.data.images import ImageSummary
from labelaudit.detection.ranking import MORE_PROBABLY_WRONG
from labelaudit.errors import InputError
from labelaudit.report.html import FILE_NAME as HTML_NAME
from labelaudit.report.report import FILE_NAME, Report
from labelaudit.report.validation import SCORED
from labelaudit.runtime.commits import appearing_together, current
from labelaudit.runtime.regular_files import require_regular
from labelaudit.runtime.sealed import DamagedError
from labelaudit.runtime.tensor_files import load_tensors, save_tensors


@dataclass(frozen=True)
class Baseline:
    """An earlier audit.

    Attributes:
        report: What it found.
        config: Its settings.
        training: Its fine-tune, nothing left open.
        fold_of: Index of the fold that trained on a row, −1 if none, shape (N,).
        thetas: The parameters of each fold's network after the fine-tune; None where a new network costs little.
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
    def images(self) -> ImageSummary | None:
        """What its networks take, whatever the images are like by now."""
        found = self.report.metadata.get("images")
        return None if found is None else ImageSummary(found["grayscale"], found["side"])

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
        aimed = self.config.selection.precision is not None or self.config.selection.budget is not None
        return float(np.nextafter(min(scores), 0)) if scores and aimed else MORE_PROBABLY_WRONG


def save_baseline(folder: Path, report: Report, audit: Audit) -> None:
    """Write the report, in both forms, and the networks: all appear at once, and the old ones are intact until then.

    Args:
        folder: Where; it must be locked, if another process could write there.
        report: The audit's.
        audit: What it found.

    Raises:
        OSError: They cannot be written; what was there is intact.
    """
    networks = audit.findings.networks
    tensors = {"fold_of": torch.from_numpy(networks.fold_of)}
    if audit.encoder_is_stateless:
        tensors |= {f"theta-{number}": theta for number, theta in enumerate(networks.thetas)}
    identity = {"dataset_fingerprint": report.metadata["dataset_fingerprint"]}
    with appearing_together(folder) as staged:
        report.save(staged / FILE_NAME)
        report.to_html(staged / HTML_NAME)
        save_tensors(staged / NETWORKS, tensors, identity)


def load_baseline(path: Path, model: str | None = None) -> Baseline:
    """Read a baseline back.

    Args:
        path: Its folder, or the report in it.
        model: The user's own factory (`package.module:factory`) that made its networks; None if none did. What a
            baseline says is never imported, so that the factory must be named again.

    Raises:
        InputError: There is none, or it is damaged, of another version, or put together from two; or `model` is not
            what made its networks.
    """
    folder = baseline_folder(path)
    report = Report.load(path)
    file = current(folder / NETWORKS)
    try:
        require_regular(file)
        tensors, identity = load_tensors(file)
        fold_of, thetas = _checked_networks(tensors, report)
    except (OSError, DamagedError) as error:
        raise InputError(
            f"{folder / NETWORKS} is damaged ({error}); make the baseline anew", option="baseline"
        ) from error
    if identity.get("dataset_fingerprint") != report.metadata["dataset_fingerprint"]:
        raise InputError(
            f"report and networks in {folder} are of two audits; make the baseline anew", option="baseline"
        )
    config = AuditConfig.model_validate(report.metadata["config"])
    training = TrainingConfig.model_validate(report.metadata["training"])
    _check_factory(config.model.name, model, folder)
    return Baseline(report, config, training, fold_of, thetas)


def _check_factory(stored: str | None, given: str | None, folder: Path) -> None:
    if stored is not None and ":" in stored and given is None:
        raise InputError(
            f"the networks of {folder} were made by code of your own, {stored}. What a baseline names is never "
            "imported: if you trust that code, name it again",
            option="model",
        )
    if given is not None and given != stored:
        made_by = "labelaudit's own choice of network" if stored is None else stored
        raise InputError(f"{given} is not what made the networks of {folder}: that was {made_by}", option="model")


def _checked_networks(tensors: dict[str, Tensor], report: Report) -> tuple[Tensor, tuple[Tensor, ...] | None]:
    """The fold of each row and each fold's parameters.

    Raises:
        DamagedError: They are not what a baseline of this report can hold.
    """
    status = np.array(report.table["status"].to_pylist())
    fold_of = tensors.pop("fold_of", torch.empty(0))
    if fold_of.dtype != torch.int64 or fold_of.shape != status.shape:
        raise DamagedError(f"it does not say the fold of each of the {len(status)} rows")
    folds = fold_of.unique().tolist()
    if folds[:1] == [-1]:
        folds = folds[1:]
    if not folds or folds != list(range(len(folds))) or ((fold_of >= 0).numpy() != np.isin(status, SCORED)).any():
        raise DamagedError("the folds of its rows are not those of the report")
    if not tensors:
        return fold_of, None
    thetas = tuple(tensors.get(f"theta-{number}", torch.empty(0)) for number in range(len(folds)))
    right = len(tensors) == len(folds) and all(
        theta.ndim == 1 and theta.is_floating_point() and 0 < len(theta) == len(thetas[0]) and theta.isfinite().all()
        for theta in thetas
    )
    if not right:
        raise DamagedError("its networks are not one vector of finite numbers for each fold")
    return fold_of, thetas
