"""Data-parallel runs, as torchrun starts them: each process computes its shard of every mini-batch.

All processes hold the same settings and data and take the same steps. Sums over rows are all-reduced, and per-row
results all-gathered, by the collectives here. A single process is a group of size 1, for which they do nothing.
"""

from __future__ import annotations

import math
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import NoReturn

import psutil
import torch
import torch.distributed as dist
from torch import Tensor

from labelaudit.errors import InputError, LostError, RunError
from labelaudit.runtime.launch import launched

TIMEOUT = timedelta(minutes=30)
"""How long to wait for the others; one may read its data from a disk that is slower than theirs."""


TEXT_CHUNK = 256  # bytes of a text that are sent with its length


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of a run, as seen from one of them.

    Attributes:
        rank: Rank of this process, from 0.
        size: Number of processes.
        local_size: Number of processes on this machine.
        members: Host and process id of each rank.
    """

    rank: int = 0
    size: int = 1
    local_size: int = 1
    members: tuple[tuple[str, int], ...] = ()

    @property
    def is_leader(self) -> bool:
        """Whether this is rank 0, which prints and writes."""
        return self.rank == 0

    def shard(self, total: int) -> slice:
        """The slice of `total` rows that belongs to this process; may be empty."""
        return slice(self.rank * total // self.size, (self.rank + 1) * total // self.size)

    def all_reduce(self, tensor: Tensor) -> Tensor:
        """Sum a tensor over all processes, in place."""
        if self.size > 1 and tensor.numel():
            with self.collective():
                dist.all_reduce(tensor)
        return tensor

    def min(self, number: float) -> float:
        """Minimum over all processes."""
        if self.size > 1:
            tensor = torch.tensor([number], dtype=torch.float64)
            with self.collective():
                dist.all_reduce(tensor, dist.ReduceOp.MIN)
            number = tensor.item()
        return number

    def max(self, number: float) -> float:
        """Maximum over all processes."""
        return -self.min(-number)

    def from_leader(self, number: float) -> float:
        """Broadcast a number from rank 0."""
        return self.min(number if self.is_leader else math.inf)

    def all_gather(self, rows: Tensor, total: int) -> Tensor:
        """Concatenate the shards of `total` rows in the order of ranks: (own, …) becomes (total, …)."""
        if self.size == 1:
            return rows
        longest = -(-total // self.size)
        padded = rows.new_zeros(longest, *rows.shape[1:])
        padded[: len(rows)] = rows
        parts = rows.new_empty(self.size, longest, *rows.shape[1:])
        with self.collective():
            dist.all_gather_single(parts.flatten(0, 1), padded)
        return torch.cat(
            [part[: (rank + 1) * total // self.size - rank * total // self.size] for rank, part in enumerate(parts)]
        )

    def all_gather_text(self, text: str) -> list[str]:
        """The text of each process, in the order of ranks."""
        if self.size == 1:
            return [text]
        said = torch.tensor(list(text.encode()), dtype=torch.uint8)
        head = torch.zeros(1, TEXT_CHUNK + 1, dtype=torch.int64)
        head[0, 0], head[0, 1 : 1 + len(said)] = len(said), said[:TEXT_CHUNK]
        heads = self.all_gather(head, self.size)
        lengths, texts = heads[:, 0].tolist(), heads[:, 1:].to(torch.uint8)
        if max(lengths) > TEXT_CHUNK:
            padded = said.new_zeros(1, max(lengths))
            padded[0, : len(said)] = said
            texts = self.all_gather(padded, self.size)
        return [bytes(row[:length].tolist()).decode() for row, length in zip(texts, lengths, strict=True)]

    def broadcast(self, tensor: Tensor | None, like: Tensor) -> Tensor:
        """Broadcast a CPU tensor from rank 0; `like` has its shape and dtype."""
        if self.size == 1:
            assert tensor is not None
            return tensor
        told = like if tensor is None else tensor.contiguous()
        if told.numel():
            with self.collective():
                dist.broadcast(told, src=0)
        return told

    def require_equal(self, what: str, text: str) -> None:
        """Require that all processes have the same text.

        Raises:
            InputError: They have not; the message names the processes that differ from rank 0.
        """
        said = self.all_gather_text(text)
        others = [self.name(rank) for rank, other in enumerate(said) if other != said[0]]
        if others:
            raise InputError(
                f"{', '.join(others)} {'have' if len(others) > 1 else 'has'} other {what} than {self.name(0)}: all "
                "processes need the same files, the same command and the same versions"
            )

    def name(self, rank: int) -> str:
        """What to call a process before the user."""
        return f"process {rank} ({self.members[rank][0]})"

    @contextmanager
    def raise_together(self) -> Iterator[None]:
        """Re-raise an `InputError` or `RunError` of any process on all of them, with one message.

        Raises:
            InputError: A process found its input unusable.
            RunError: A process cannot continue.
        """
        if self.size == 1:
            yield
            return
        kind, text = "", ""
        try:
            yield
        except LostError:  # then there is nobody to tell
            raise
        except (InputError, RunError) as error:
            kind, text = type(error).__name__, str(error)
        if self.min(not kind) == 0:
            kinds, texts = zip(*(said.split("\n", 1) for said in self.all_gather_text(f"{kind}\n{text}")), strict=True)
            error_type = InputError if "InputError" in kinds else RunError
            alike = len({text for text in texts if text}) == 1 and bool(texts[0])
            named = (f"{self.name(rank)}: {text}" for rank, text in enumerate(texts) if text)
            raise error_type(texts[0] if alike else "; ".join(named))

    def lost_error(self, *, told: bool = False) -> LostError:
        """The error to raise when a collective fails, or torchrun ends this process (`told`)."""
        gone: list[int] = []
        for _ in range(1 if told else 10):  # what dies closes its connections a moment before it is seen to be gone
            if gone := [rank for rank, member in enumerate(self.members) if rank != self.rank and _is_gone(*member)]:
                break
            time.sleep(0.05)
        names = ", ".join(f"{self.name(rank)}, process id {self.members[rank][1]}," for rank in gone)
        unknown = "it was told to end (SIGTERM)" if told else "another process is gone, or does not answer"
        reason = f"{names} ended before its work was done (killed, or out of memory)" if gone else unknown
        return LostError(
            f"the run is stopped: {reason}; torchrun's own lines say more. What was saved before is intact: start the "
            "same command again with `resume`; the number of processes may be another one",
            speaks=all(rank in gone for rank in range(self.rank)),
        )

    def wait_for_the_leader(self) -> None:
        """Give rank 0 time to print why the run ends."""
        for _ in range(50):
            if not self.members or _is_gone(*self.members[0]):
                return
            time.sleep(0.1)

    @contextmanager
    def collective(self) -> Iterator[None]:
        """Context for collective operations.

        Raises:
            LostError: Another process is gone, or does not answer.
        """
        try:
            yield
        except RuntimeError as error:  # torch has no type of its own for what gloo and nccl find
            if isinstance(error, dist.DistError) or any(word in str(error).lower() for word in ("gloo", "nccl")):
                raise self.lost_error() from error
            raise


SINGLE_PROCESS = ProcessGroup()
_current = SINGLE_PROCESS


def process_group() -> ProcessGroup:
    """The current process group, `SINGLE_PROCESS` outside `joined`."""
    return _current


@contextmanager
def joined() -> Iterator[ProcessGroup]:
    """Initialise the process group if torchrun started this process, and destroy it at the end.

    Raises:
        InputError: There are fewer GPUs than processes.
        RunError: The processes cannot connect, or one is gone.
    """
    global _current  # as torch.distributed's own process group is
    if not launched():
        yield SINGLE_PROCESS
        return
    try:
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=TIMEOUT)
    except (RuntimeError, ValueError) as error:
        raise RunError(f"the processes of this run do not find each other: {error}") from error

    def ended(number: int, frame: object) -> NoReturn:
        raise _current.lost_error(told=True)

    afterwards = signal.signal(signal.SIGTERM, ended)
    local_size = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    _current = ProcessGroup(dist.get_rank(), dist.get_world_size(), local_size)
    try:
        places = [said.split("\n") for said in _current.all_gather_text(f"{socket.gethostname()}\n{os.getpid()}")]
        _current = replace(_current, members=tuple((host, int(number)) for host, number in places))
        with _current.raise_together():
            _take_gpu(local_size)
        yield _current
    except (InputError, RunError):
        # torchrun ends all processes when it sees the first one gone. The caller has yet to print why, so SIGTERM is
        # ignored from here to the end of the process; torchrun's SIGKILL comes half a minute later.
        afterwards = signal.SIG_IGN
        signal.signal(signal.SIGTERM, afterwards)
        if not _current.is_leader:
            _current.wait_for_the_leader()
        raise
    finally:
        signal.signal(signal.SIGTERM, afterwards)
        _current = SINGLE_PROCESS
        dist.destroy_process_group()


def _take_gpu(local_size: int) -> None:
    if not torch.cuda.is_available():
        return
    if local_size > torch.cuda.device_count():
        raise InputError(
            f"torchrun started {local_size} processes where {torch.cuda.device_count()} GPUs are "
            f"({socket.gethostname()}): use --nproc-per-node gpu, or hide them (CUDA_VISIBLE_DEVICES=)"
        )
    torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))


def _is_gone(host: str, number: int) -> bool:
    if host != socket.gethostname():
        return False
    try:
        status: str = psutil.Process(number).status()
    except psutil.NoSuchProcess:
        return True
    return status == psutil.STATUS_ZOMBIE
