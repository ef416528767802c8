"""The stages of an audit: their names, what decides how long they take, and the plan of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labelaudit.audit.forecast import Part
from labelaudit.audit.needs import FoldNeeds
from labelaudit.detection.needs import JudgingCosts
from labelaudit.errors import InputError
from labelaudit.runtime.large_arrays import files_folder, in_file, size_of
from labelaudit.runtime.machine import USABLE_FRACTION, free_disk
from labelaudit.units import format_bytes, format_duration

FINE_TUNING, SWEEPING, JUDGING = "fine-tuning", "sweeping back", "judging labels"
SECOND_VIEW = "fine-tuning on the second encoding"
WITHOUT_SUSPECTS = "fine-tuning without suspects", "fine-tuning on the second encoding, without suspects"
BUSY = 1.5  # times as long as the processor works: other programs use it; idle threads alone make it 1.3


@dataclass(frozen=True)
class AuditSize:
    """What decides how long an audit takes, besides what one fold does.

    Attributes:
        rows: N, those that are scored.
        classes: C.
        folds: How many.
        second_view: Whether networks are trained on a second encoding, too.
        refitted: Whether networks are trained once more without suspects.
        trees: Whether there are boosted trees.
    """

    rows: int
    classes: int
    folds: int
    second_view: bool = False
    refitted: bool = False
    trees: bool = False

    @property
    def arrays(self) -> tuple[int, int]:
        """Bytes of all that is found for each row and class: in memory, and in files."""
        cross_audit = self.folds > 1
        whole = 3 + cross_audit + 2 * (self.second_view + self.refitted) + self.trees  # as many at once
        held_out = self.rows // self.folds if cross_audit else 0
        kept = [(self.rows, whole), (self.rows - held_out, self.folds), (held_out, self.folds)]  # logits of each fold
        sizes = [(count * size_of(rows, self.classes), in_file(rows, self.classes)) for rows, count in kept]
        return sum(size for size, filed in sizes if not filed), sum(size for size, filed in sizes if filed)


def check_room(size: AuditSize) -> None:
    """Make sure that what is found for each row and class has room on the disk, if it goes into files.

    Raises:
        InputError: It has none; the message says what would.
    """
    needed, folder = size.arrays[1], files_folder()
    free = int(USABLE_FRACTION * free_disk(folder))
    if needed > free:
        raise InputError(
            f"{size.rows:,} rows × {size.classes:,} classes need {format_bytes(needed)} on the disk of {folder}, where "
            f"{format_bytes(free)} may be used: {size.rows * free // needed:,} rows with as many classes would fit, or "
            f"{size.classes * free // needed:,} classes with as many rows; or set TMPDIR or the output to a larger disk"
        )


def parts_of(needs: FoldNeeds, size: AuditSize, judging: JudgingCosts, done: int = 0) -> list[Part]:
    """What an audit does, in order.

    Args:
        needs: What a fold takes.
        size: What else there is to do.
        judging: What a kind of evidence takes.
        done: How many folds a resumed run has done.
    """
    folds, fine_tuning = size.folds, needs.fine_tuning
    # A second encoding is read on its own, in the mean, and the first one on its own as well.
    read = 1 + 2 * size.second_view + size.trees
    joined = 2 + (folds > 1) + size.trees
    parts = [
        Part(FINE_TUNING, "networks", 0, fine_tuning, folds - done),
        Part(SWEEPING, "networks", 0, needs.sweeping, folds - done),
    ]
    if size.second_view:
        parts.append(Part(SECOND_VIEW, "networks", 1, fine_tuning, folds))
    parts.append(Part(JUDGING, "labels", 2, judging.seconds(read, joined)))
    if size.refitted:
        names = WITHOUT_SUSPECTS[: 1 + size.second_view]
        parts += [Part(name, "networks", 3, fine_tuning, folds) for name in names]
        parts.append(Part(JUDGING, "labels", 4, judging.seconds(1, joined + 1)))
    return parts


def needs_in_words(needs: FoldNeeds, size: AuditSize, parts: Sequence[Part]) -> str:
    """What an audit takes."""
    in_memory, in_files = size.arrays
    quantities = [f"{format_bytes(needs.memory + in_memory)} of memory beside the data"]
    if disk := needs.recording.disk + in_files:
        quantities.append(f"{format_bytes(disk)} of disk")
    seconds = sum(part.planned for part in parts)
    text = f"{format_duration(seconds)}, {' and '.join(quantities)}"
    if needs.recording.interval > 1:
        text += "; states between checkpoints are replayed"
    if needs.recording.recompute:
        text += "; activations are computed anew in backward passes"
    if needs.waiting > BUSY:
        text += "; other programs use this machine now, and slow it down"
    return text
