from __future__ import annotations

import pytest
import torch

from labelaudit.errors import InputError
from labelaudit.runtime.checkpoints import RunFolder


def test_a_group_comes_back_as_it_was(tmp_path):
    files = RunFolder(tmp_path / "run").open({"seed": 1})
    group = {"a": torch.arange(6.0).view(2, 3).T, "none": torch.empty(0, 4), "n": torch.tensor([7])}
    assert files.load("group") is None
    files.part("deep").save("group", group)
    loaded = files.part("deep").load("group")
    assert loaded is not None
    assert set(loaded) == set(group)
    assert all(torch.equal(loaded[name], tensor) for name, tensor in group.items())


def test_only_the_run_itself_may_go_on(tmp_path):
    first = RunFolder(tmp_path / "run").open({"seed": 1, "settings": {"lr": 0.1, "epochs": 3}})
    first.save("group", {"a": torch.zeros(1)})
    again = RunFolder(tmp_path / "run", resume=True)
    again.open({"settings": {"epochs": 3, "lr": 0.1}, "seed": 1})
    with pytest.raises(InputError, match=r"settings.lr was 0.1 and is now 0.2"):
        again.open({"seed": 1, "settings": {"lr": 0.2, "epochs": 3}})
    again.remove()
    assert not (tmp_path / "run").exists()
    again.remove()  # nothing is left to remove, which is as well


def test_it_is_due_after_a_time_and_not_right_after_saving(tmp_path):
    assert not RunFolder(tmp_path / "run", every_seconds=3600).open({}).due()
    always = RunFolder(tmp_path / "run", every_seconds=0).open({})
    assert not (tmp_path / "run").exists()  # nothing is written before there is something to keep
    always.save("group", {"a": torch.zeros(1)})
    assert always.due()
    assert (tmp_path / "run" / "run.json").exists()
