"""The hub's cache, and a hub that is not there."""

from __future__ import annotations

import logging

import pytest
from huggingface_hub import constants, scan_cache_dir

from labelaudit import InputError, load_dataset
from labelaudit.config import ModelConfig
from labelaudit.models.timm_models import timm_spec
from labelaudit.runtime import hub
from labelaudit.runtime.hub import cached_models, is_reachable, without_retries


class Session:
    """Answers, or does not."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.asked = error, 0

    def head(self, url: str, timeout: float) -> None:
        self.asked += 1
        assert timeout <= 5
        if self.error is not None:
            raise self.error


@pytest.fixture
def unreachable(monkeypatch):
    session = Session(OSError("no route"))
    monkeypatch.setattr(hub, "get_session", lambda: session)
    return session


def test_a_hub_that_answers_is_there_and_one_that_does_not_is_not(monkeypatch, unreachable):
    assert not is_reachable()
    monkeypatch.setattr(hub, "get_session", Session)
    assert is_reachable()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert not is_reachable()


def test_weights_that_cannot_be_had_are_asked_for_once(unreachable, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"`pretrained`: the weights of resnet18 could not be had .*cannot be reached"):
        timm_spec("resnet18", ModelConfig(name="resnet18", pretrained=True)).network(2, seed=0)
    assert unreachable.asked == 1
    assert not [record for record in caplog.records if "Retry" in record.message]


def test_a_dataset_that_cannot_be_had(unreachable):
    with pytest.raises(InputError, match="cannot have hf:owner/nothing from the Hugging Face hub"):
        load_dataset("hf:owner/nothing")
    assert unreachable.asked == 1


def test_the_client_is_left_as_it_was():
    logger = logging.getLogger("huggingface_hub")
    level, offline = logger.level, constants.HF_HUB_OFFLINE
    with without_retries(offline=True):
        assert constants.HF_HUB_OFFLINE
        assert logger.level == logging.ERROR
    assert (logger.level, constants.HF_HUB_OFFLINE) == (level, offline)


def test_models_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(hub, "scan_cache_dir", lambda: scan_cache_dir(tmp_path))
    assert cached_models("timm") == {}
    for name, file in (
        ("timm--one", "model.safetensors"),
        ("timm--two", "config.json"),
        ("other--x", "model.safetensors"),
    ):
        snapshot = tmp_path / f"models--{name}" / "snapshots" / "abc"
        snapshot.mkdir(parents=True)
        (snapshot / file).write_bytes(b"12345")
        refs = tmp_path / f"models--{name}" / "refs"
        refs.mkdir()
        (refs / "main").write_text("abc")
    assert cached_models("timm") == {"one": 5}
    assert set(cached_models("other")) == {"x"}
