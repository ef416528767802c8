"""Rows whose images change or vanish while an audit runs: they are left out, and the audit begins anew without them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from labelaudit.audit.audit import Audit
from labelaudit.audit.audit_data import AuditData, check_readable, rows_alone
from labelaudit.config import AuditConfig
from labelaudit.data.pixels import LostRowsError
from labelaudit.errors import InputError
from labelaudit.progress import Progress
from labelaudit.runtime.checkpoints import Checkpoints
from labelaudit.runtime.distributed import process_group
from labelaudit.units import format_count


def audit_lasting_rows(
    data: AuditData,
    run: Callable[[AuditData, Checkpoints | None], Audit],
    config: AuditConfig,
    progress: Progress,
    checkpoints: Checkpoints | None = None,
    *,
    every_class: bool = True,
) -> tuple[AuditData, Audit]:
    """Audit; whenever rows turn out to be lost, leave them out, and audit the others anew.

    Args:
        data: All rows that could be read.
        run: Audits rows.
        config: How many may be unreadable.
        progress: Told of rows that are left out.
        checkpoints: For `run`, as long as no row is lost: what was saved is of all rows, and a run that is resumed
            finds other data.
        every_class: Whether the only row that is left of a class cannot be scored.

    Returns:
        The rows that lasted, with the others among the unreadable ones, and their audit.

    Raises:
        InputError: Too many are lost, or fewer than two classes of two rows are left.
        LostRowsError: Rows are lost to one of several processes, of which the others know nothing.
    """
    lost = {} if data.inputs is None else data.inputs.lost_rows  # of an earlier audit of the same rows
    while True:
        if lost:
            data = _without(data, lost, config.source.max_unreadable, every_class=every_class)
            if checkpoints is not None:
                checkpoints.discard()
                checkpoints = None
        try:
            return data, run(data, checkpoints)
        except LostRowsError:
            if process_group().size > 1 or data.inputs is None:
                raise
            # Where one is lost others may be: found now, they do not make the run begin anew once more.
            lost = data.inputs.find_lost_rows(progress)
            many = format_count(len(lost), "image")
            progress.note(f"{many} changed or vanished during the run: unreadable now, and the run begins anew without")


def _without(data: AuditData, lost: dict[int, str], allowed: float, *, every_class: bool) -> AuditData:
    rows = len(data.dataset)
    problems = tuple(lost.get(row, problem) for row, problem in enumerate(data.problems))
    check_readable(data.dataset, problems, allowed)
    left = replace(
        data,
        problems=problems,
        audited=np.setdiff1d(data.audited, list(lost)),
        test_rows=np.setdiff1d(data.test_rows, list(lost)),
    )
    if data.test is not None and len(left.test_rows) < (1 - allowed) * len(data.test_rows):
        first = next(reason for row, reason in lost.items() if row >= rows)
        raise InputError(f"images of {data.test.source} changed or vanished during the run: {first}", option="test")
    if not every_class:
        return left
    alone = rows_alone(left.dataset, left.classes, left.labels, left.audited, left.together)
    return replace(left, audited=np.setdiff1d(left.audited, alone), alone=left.alone | frozenset(alone.tolist()))
