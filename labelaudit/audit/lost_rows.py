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
from labelaudit.runtime.distributed import process_group
from labelaudit.units import format_count


def audit_lasting_rows(
    data: AuditData,
    run: Callable[[AuditData], Audit],
    config: AuditConfig,
    progress: Progress,
    *,
    every_class: bool = True,
) -> tuple[AuditData, Audit]:
    """Audit; whenever rows turn out to be lost, leave them out, and audit the others anew.

    Args:
        data: All rows that could be read.
        run: Audits rows.
        config: How many may be unreadable.
        progress: Told of rows that are left out.
        every_class: Whether the only row that is left of a class cannot be scored.

    Returns:
        The rows that lasted, with the others among the unreadable ones, and their audit.

    Raises:
        InputError: Too many are lost, or fewer than two classes of two rows are left.
        LostRowsError: Rows are lost to one of several processes, of which the others know nothing.
    """
    while True:
        try:
            return data, run(data)
        except LostRowsError as lost:
            if process_group().size > 1:
                raise
            # Where one is lost others may be: found now, they do not make the run begin anew once more.
            rows = lost.rows if data.inputs is None else data.inputs.lost_rows(progress) | lost.rows
            data = _without(data, rows, config.source.max_unreadable)
            if every_class:
                alone = rows_alone(data.dataset, data.classes, data.labels, data.audited)
                data = replace(
                    data, audited=np.setdiff1d(data.audited, alone), alone=data.alone | frozenset(alone.tolist())
                )
            many = format_count(len(rows), "image")
            progress.note(f"{many} changed or vanished during the run: unreadable now, and the run begins anew without")


def _without(data: AuditData, lost: dict[int, str], allowed: float) -> AuditData:
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
    return left
