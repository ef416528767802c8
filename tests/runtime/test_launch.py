from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("name", "default", "other"),
    [("OMP_WAIT_POLICY", "PASSIVE", "ACTIVE"), ("CUBLAS_WORKSPACE_CONFIG", ":4096:8", ":16:8")],
)
@pytest.mark.parametrize("given", [False, True])
def test_the_environment_is_set_before_torch_unless_the_user_has_set_it(name, default, other, given):
    environment = {key: value for key, value in os.environ.items() if key != name} | ({name: other} if given else {})
    code = f"import sys, labelaudit, os; print(os.environ[{name!r}], 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [other if given else default, "False"]
