from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest

from labelaudit import InputError
from labelaudit.types import Floats, checked


@checked
def everything(
    text: str = "",
    number: float = 0.0,
    count: int = 0,
    flag: bool = False,
    path: str | Path | None = None,
    choice: Literal["a", "b"] = "a",
    names: Sequence[str] = (),
    pair: tuple[int, ...] = (),
    array: Floats | None = None,
    call: Callable[[int], None] = print,
    said: Annotated[int | None, "a colour"] = None,
    anything: object = None,
    untyped=None,
    **others: int,
) -> dict[str, Any]:
    return locals()


@checked
@dataclass(frozen=True)
class Pair:
    first: int
    second: str = "x"


@pytest.mark.parametrize(
    "arguments",
    [
        {"text": "a", "number": 1, "count": np.int32(2), "flag": True, "path": Path("p"), "choice": "b"},
        {"names": ["a"], "pair": [1, 2], "array": np.zeros(2), "call": len, "said": 3, "anything": [], "untyped": 3},
        {"number": np.float32(0.5), "path": None, "more": "whatever"},
    ],
)
def test_what_is_declared_is_taken(arguments):
    given = everything(**arguments)
    assert all(given.get(name, given["others"].get(name)) is value for name, value in arguments.items())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text": 3}, "`text`: give a string, not 3 (int)"),
        ({"text": None}, "`text`: give a string, not None (NoneType)"),
        ({"number": "1"}, "`number`: give a number, not '1' (str)"),
        ({"number": True}, "`number`: give a number, not True (bool)"),
        ({"count": 2.0}, "`count`: give a whole number, not 2.0 (float)"),
        ({"flag": 1}, "`flag`: give True or False, not 1 (int)"),
        ({"path": 3}, "`path`: give a string or a Path or None, not 3 (int)"),
        ({"choice": "c"}, "`choice`: give one of 'a', 'b', not 'c' (str)"),
        ({"choice": ["a"]}, "`choice`: give one of 'a', 'b', not ['a'] (list)"),
        ({"names": "abc"}, "`names`: give a Sequence, not 'abc' (str)"),
        ({"pair": {1}}, "`pair`: give a tuple, not {1} (set)"),
        ({"array": [1.0]}, "`array`: give an array or None, not [1.0] (list)"),
        ({"call": "f"}, "`call`: give a function, not 'f' (str)"),
        ({"said": "x"}, "`said`: give a colour, not 'x' (str)"),
        ({"text": list(range(99))}, "`text`: give a string, not … (list)"),
    ],
)
def test_everything_else_is_refused(arguments, message):
    with pytest.raises(InputError) as refused:
        everything(**arguments)
    assert str(refused.value) == message
    assert refused.value.option == next(iter(arguments))


def test_a_dataclass_stays_one():
    assert Pair(1) == Pair(1, "x") != Pair(2)
    with pytest.raises(InputError, match="`second`: give a string, not 2"):
        Pair(1, 2)
    with pytest.raises(TypeError, match="missing a required argument: 'first'"):
        Pair()
