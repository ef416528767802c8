"""Several processes that work on one audit, as torchrun starts them: each takes its share of every mini-batch.

All processes hold the same settings and data and go the same way; what a sum over rows or all rows' answers need of the
others is brought together by the collectives here. One process is a team of its own, for which none of them does
anything.
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
from labelaudit.launch import launched

TIMEOUT = timedelta(minutes=30)
"""How long to wait for the others; one may read its data from a disk that is slower than theirs."""


HEAD = 256  # bytes of a text that are sent at once


@dataclass(frozen=True)
class Team:
    """The processes of a run, as one of them sees them.

    Attributes:
        rank: Which one this is, from 0.
        size: How many there are.
        neighbours: How many there are on this machine.
        members: Host and process id of each.
    """

    rank: int = 0
    size: int = 1
    neighbours: int = 1
    members: tuple[tuple[str, int], ...] = ()

    @property
    def leader(self) -> bool:
        """Whether this process is the one that prints and writes."""
        return self.rank == 0

    def share(self, total: int) -> slice:
        """Which of so many rows are this process's; of few rows it may be none."""
        return slice(self.rank * total // self.size, (self.rank + 1) * total // self.size)

    def sum_(self, tensor: Tensor) -> Tensor:
        """Add up a tensor over all processes, in place."""
        if self.size > 1 and tensor.numel():
            with self.collective():
                dist.all_reduce(tensor)
        return tensor

    def least(self, number: float) -> float:
        """The smallest of all processes' numbers."""
        if self.size > 1:
            tensor = torch.tensor([number], dtype=torch.float64)
            with self.collective():
                dist.all_reduce(tensor, dist.ReduceOp.MIN)
            number = tensor.item()
        return number

    def most(self, number: float) -> float:
        """The largest of all processes' numbers."""
        return -self.least(-number)

    def of_leader(self, number: float) -> float:
        """The leader's number."""
        return self.least(number if self.leader else math.inf)

    def gather(self, rows: Tensor, total: int) -> Tensor:
        """All processes' `share` of `total` rows, one after the other: (own, …) becomes (total, …)."""
        if self.size == 1:
            return rows
        longest = -(-total // self.size)
        padded = rows.new_zeros(longest, *rows.shape[1:])
        padded[: len(rows)] = rows
        parts = rows.new_empty(self.size, longest, *rows.shape[1:])
        with self.collective():
            dist.all_gather_single(parts.flatten(0, 1), padded)
        return torch.cat([part[: (rank + 1) * total // self.size - rank * total // self.size]
                          for rank, part in enumerate(parts)])  # fmt: skip

    def say(self, text: str) -> list[str]:
        """What each process says, in their order."""
        if self.size == 1:
            return [text]
        said = torch.tensor(list(text.encode()), dtype=torch.uint8)
        head = torch.zeros(1, HEAD + 1, dtype=torch.int64)
        head[0, 0], head[0, 1 : 1 + len(said)] = len(said), said[:HEAD]
        heads = self.gather(head, self.size)
        lengths, texts = heads[:, 0].tolist(), heads[:, 1:].to(torch.uint8)
        if max(lengths) > HEAD:
            padded = said.new_zeros(1, max(lengths))
            padded[0, : len(said)] = said
            texts = self.gather(padded, self.size)
        return [bytes(row[:length].tolist()).decode() for row, length in zip(texts, lengths, strict=True)]

    def tell(self, tensor: Tensor | None, like: Tensor) -> Tensor:
        """A tensor in main memory that the leader has, on all processes; all have one of its shape and type."""
        if self.size == 1:
            assert tensor is not None
            return tensor
        told = like if tensor is None else tensor.contiguous()
        if told.numel():
            with self.collective():
                dist.broadcast(told, src=0)
        return told

    def same(self, what: str, text: str) -> None:
        """Make sure that all processes have the same text.

        Raises:
            InputError: They have not; the message has the processes that differ from the first one.
        """
        said = self.say(text)
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
    def together(self) -> Iterator[None]:
        """Have an error of any process that its user can mend end all of them, with one message.

        Raises:
            InputError: One found its input unusable.
            RunError: One cannot go on.
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
        if self.least(not kind) == 0:
            kinds, texts = zip(*(said.split("\n", 1) for said in self.say(f"{kind}\n{text}")), strict=True)
            error_type = InputError if "InputError" in kinds else RunError
            alike = len({text for text in texts if text}) == 1 and bool(texts[0])
            named = (f"{self.name(rank)}: {text}" for rank, text in enumerate(texts) if text)
            raise error_type(texts[0] if alike else "; ".join(named))

    def lost(self, *, told: bool = False) -> LostError:
        """What to say when a collective fails, or this process is `told` to end, as torchrun does if another fails."""
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
            "same command again with --resume; the number of processes may be another one",
            speaks=all(rank in gone for rank in range(self.rank)),
        )

    def wait_for_the_leader(self) -> None:
        """Give the leader time to say why the run ends."""
        for _ in range(50):
            if not self.members or _is_gone(*self.members[0]):
                return
            time.sleep(0.1)

    @contextmanager
    def collective(self) -> Iterator[None]:
        """Around what needs the other processes.

        Raises:
            LostError: One of them is gone, or does not answer.
        """
        try:
            yield
        except RuntimeError as error:  # torch has no type of its own for what gloo and nccl find
            if isinstance(error, dist.DistError) or any(word in str(error).lower() for word in ("gloo", "nccl")):
                raise self.lost() from error
            raise


ALONE = Team()
_current = ALONE


def team() -> Team:
    """The team of this process, `ALONE` outside `joined`."""
    return _current


@contextmanager
def joined() -> Iterator[Team]:
    """Join the other processes that torchrun started, if it did, and leave them at the end.

    Raises:
        InputError: There are fewer GPUs than processes.
        RunError: The others do not come, or one is gone.
    """
    global _current  # as torch.distributed's own process group is
    if not launched():
        yield ALONE
        return
    try:
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=TIMEOUT)
    except (RuntimeError, ValueError) as error:
        raise RunError(f"the processes of this run do not find each other: {error}") from error

    def ended(number: int, frame: object) -> NoReturn:
        raise _current.lost(told=True)

    before = signal.signal(signal.SIGTERM, ended)
    neighbours = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    _current = Team(dist.get_rank(), dist.get_world_size(), neighbours)
    try:
        places = [said.split("\n") for said in _current.say(f"{socket.gethostname()}\n{os.getpid()}")]
        _current = replace(_current, members=tuple((host, int(number)) for host, number in places))
        with _current.together():
            _take_gpu(neighbours)
        yield _current
    except (InputError, RunError):
        # torchrun ends all processes when it sees the first one gone, which must not be before the leader has spoken.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if not _current.leader:
            _current.wait_for_the_leader()
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
        _current = ALONE
        dist.destroy_process_group()


def _take_gpu(neighbours: int) -> None:
    if not torch.cuda.is_available():
        return
    if neighbours > torch.cuda.device_count():
        raise InputError(
            f"torchrun started {neighbours} processes where {torch.cuda.device_count()} GPUs are "
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
