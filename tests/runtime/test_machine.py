"""How many threads there are."""

from __future__ import annotations

from contextlib import suppress

import pytest
import torch
from threadpoolctl import threadpool_info

from labelaudit.runtime.machine import SMALL_STEP, own_threads, settle_threads, threads_for


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


@pytest.fixture
def three_threads(monkeypatch):
    monkeypatch.setattr("joblib.cpu_count", lambda: 8)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("work", "threads"), [(SMALL_STEP - 1, 1), (SMALL_STEP, 3)])
def test_a_small_step_is_for_one_thread_and_all_is_as_before_in_the_end(work, threads, three_threads):
    before = blas_threads()

    @own_threads()
    def failing():
        settle_threads(work)
        assert torch.get_num_threads() == threads
        assert set(blas_threads()) == {1}
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert torch.get_num_threads() == 3
    assert blas_threads() == before


@pytest.mark.parametrize(("work", "threads"), [(SMALL_STEP - 1, 1), (SMALL_STEP, 3)])
def test_what_is_large_has_all_threads_again(work, threads, three_threads):
    with own_threads():
        settle_threads(1)
        with suppress(ZeroDivisionError), threads_for(work):
            assert torch.get_num_threads() == threads
            raise ZeroDivisionError
        assert torch.get_num_threads() == 1
    torch.set_num_threads(1)  # by the caller, whose number is left alone
    with threads_for(SMALL_STEP):
        assert torch.get_num_threads() == 1


def test_there_are_no_more_threads_than_processors_for_this_process(monkeypatch, three_threads):
    monkeypatch.setattr("joblib.cpu_count", lambda: 2)  # as in a container with a share of a machine
    with own_threads():
        assert torch.get_num_threads() == 2
        settle_threads(1)
        with threads_for(SMALL_STEP):
            assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == 3
