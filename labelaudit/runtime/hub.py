"""The Hugging Face hub: what its cache holds, and waiting for it in silence, seconds at most where it is not there."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import CacheNotFound, constants, get_session, scan_cache_dir

PATIENCE = 5.0  # seconds, to connect and to answer
WEIGHTS = ("model.safetensors", "pytorch_model.bin")


def is_reachable() -> bool:
    """Whether the hub answers within `PATIENCE`."""
    if constants.is_offline_mode():
        return False
    try:
        get_session().head(constants.ENDPOINT, timeout=PATIENCE)
    # No name, no route, no answer, a proxy that refuses, a certificate that is none: whatever the client raises.
    except Exception:
        return False
    return True


def cached_models(owner: str) -> dict[str, int]:
    """The models of an owner whose weights are in the cache, with their size in bytes."""
    try:
        repositories = scan_cache_dir().repos
    except (CacheNotFound, ValueError, OSError):
        return {}
    return {
        repository.repo_id.removeprefix(f"{owner}/"): repository.size_on_disk
        for repository in repositories
        if repository.repo_type == "model"
        and repository.repo_id.startswith(f"{owner}/")
        and any(file.file_name in WEIGHTS for revision in repository.revisions for file in revision.files)
    }


@contextmanager
def without_retries(*, offline: bool) -> Iterator[None]:
    """Within, the hub's client says nothing of its retries; if `offline`, it only looks into its cache.

    Left to itself it tries each file six times, some 25 seconds, with a line for each.
    """
    logger = logging.getLogger("huggingface_hub")
    level, before = logger.level, constants.HF_HUB_OFFLINE
    logger.setLevel(logging.ERROR)
    constants.HF_HUB_OFFLINE = before or offline
    try:
        yield
    finally:
        logger.setLevel(level)
        constants.HF_HUB_OFFLINE = before
