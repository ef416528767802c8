from __future__ import annotations

import pytest
import torch
import typer

from labelaudit.cli.console import Console
from labelaudit.cli.exit_codes import device_failure, ending_in_exit_codes


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nmore"), "Tried to allocate 2 GiB.). If"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), "smaller --batch-size"),
        (torch.AcceleratorError("CUDA error: unspecified launch failure"), "launch failure). What was saved is intact"),
        (RuntimeError("CUDA error: device-side assert triggered\nmore"), "go on with --resume once it is back"),
    ],
)
def test_a_device_that_fails_is_no_defect_of_ours(capsys, error, message):
    with pytest.raises(typer.Exit) as ended, ending_in_exit_codes(Console(quiet=False, as_json=False)):
        raise error
    assert ended.value.exit_code == 3
    said = capsys.readouterr().err
    assert message in " ".join(said.split())
    assert "Traceback" not in said
    assert said.startswith("error: the device ")


def test_any_other_error_is():
    assert device_failure(RuntimeError("shapes do not fit")) is None
