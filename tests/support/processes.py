"""Processes of their own for tests, started fast."""

from __future__ import annotations

import multiprocessing
from multiprocessing.context import ForkServerContext

# All that a scan imports on its way: a fork server that has it already saves each child two seconds.
PRELOADED = [
    "labelaudit.commands.scan",
    "labelaudit.models.sharded",
    "torch._dynamo",
    "tests.faults.test_resumed",
    "tests.runtime.test_distributed",
]


def forked() -> ForkServerContext:
    """A context whose processes are forked from one that has imported what they need, and has no threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context
