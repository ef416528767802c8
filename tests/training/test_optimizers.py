"""Which optimizers there are; steps and adjoints: `test_fine_tune.py` and `influence/test_dit_exact.py`."""

from __future__ import annotations

import pytest

from labelaudit.errors import InputError
from labelaudit.training.optimizers import SGD, AdamW


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(momentum=1.0), "`momentum`: must be below 1 (it is 1)"),
        (lambda: SGD(momentum=-0.1), "`momentum`: must be at least 0 (it is -0.1)"),
        (lambda: SGD(weight_decay=float("nan")), "`weight_decay`: must be at least 0 (it is nan)"),
        (lambda: SGD(momentum="0.9"), "`momentum`: give a number, not '0.9' (str)"),
        (lambda: AdamW(weight_decay=-1.0), "`weight_decay`: must be at least 0 (it is -1)"),
        (lambda: AdamW(epsilon=-1e-8), "`epsilon`: must be at least 0 (it is -1e-08)"),
        (lambda: AdamW(epsilon_root=float("inf")), "`epsilon_root`: must be at least 0 (it is inf)"),
        (lambda: AdamW(betas=(0.9, 1.0)), "`betas`: must be below 1 (it is 1)"),
        (lambda: AdamW(betas=(-0.1, 0.9)), "`betas`: must be at least 0 (it is -0.1)"),
        (lambda: AdamW(betas=(0.9,)), "`betas`: give two numbers (they are (0.9,))"),
        (lambda: AdamW(betas=(0.9, "0.999")), "`betas`: give two numbers (they are (0.9, '0.999'))"),
        (lambda: AdamW(epsilon="small"), "`epsilon`: give a number, not 'small' (str)"),
    ],
)
def test_what_is_no_optimizer_is_refused(make, message):
    with pytest.raises(InputError) as error:
        make()
    assert str(error.value) == message


def test_plain_sgd_is_the_default():
    assert (SGD().momentum, SGD().weight_decay, SGD().nesterov, SGD().moments) == (0, 0, False, 0)
    assert (SGD(0.5).moments, AdamW().moments) == (1, 2)
    assert (AdamW().weight_decay, AdamW().betas, AdamW().epsilon) == (
        0,
        (0.9, 0.999),
        1e-8,
    )  # torch's, but for the decay
