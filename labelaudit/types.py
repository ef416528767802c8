"""Types used in every room, fields with a description, and the check that callers keep to declared types.

The values that a setting can have are types, too.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from labelaudit.errors import InputError

Public = TypeVar("Public", bound=Callable[..., Any])

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
"""Class indices, −1 where a row has no label."""
Rows = NDArray[np.int64]
"""Row numbers."""
Flags = NDArray[np.bool_]
"""Whether something is so, of each row."""
Hashes = tuple[str | None, ...]
"""Content hash of each row, None where nothing could be read."""
Problems = tuple[str | None, ...]
"""Why a row is unreadable, None where it is not."""

Schedule = Literal["constant", "linear", "cosine", "inverse-sqrt"]
OptimizerName = Literal["sgd", "adamw"]
Removal = Literal["window", "start"]
QueryAt = Literal["ends", "final"]
TrajectoryMode = Literal["auto", "memory", "disk", "replay"]
Augmentation = Literal["none", "shift", "flip-shift"]
QueryName = Literal["probability", "calibrated", "loss", "margin"]
Estimator = Literal["expected", "visited"]
DerivativeMethod = Literal["auto", "central-differences", "forward-over-reverse"]
Dtype = Literal["float32", "float64", "bfloat16"]
Noise = Literal["symmetric", "pair", "confusion"]
Mode = Literal["copy", "hardlink", "symlink"]
FailOn = Literal["suspects", "contradictions", "leaks", "class-names", "cannot-tell"]
FAIL_ON: tuple[FailOn, ...] = ("suspects", "contradictions", "leaks", "class-names")
"""What makes a check fail unless it is told otherwise."""
Format = Literal["text", "github", "junit", "sarif", "markdown", "json"]
RankBy = Literal["influence", "score"]
Shard = Literal["auto", "always", "never"]
ImageCache = Literal["auto", "memory", "disk", "none"]
TextEncoding = Literal["auto", "words", "pairs", "characters"]
Kind = Literal["images", "texts", "table", "vectors"]
Trees = Literal["auto", "off"]
Folds = Annotated[str, BeforeValidator(str), Field(pattern=r"^(auto|[2-9]|[1-9][0-9])$")]
"""How many folds a cross-audit has, from 2 to 99, or `auto`."""
Part = Annotated[str, Field(pattern=r"^(all|head|last:\d{1,6})$")]
"""A part of a network: all of it, its head, or `last:N`, the head and the N blocks before it."""
Tracked = Annotated[str, Field(pattern=r"^(auto|all|head|last:\d{1,6})$")]
"""A part of a network, or `auto`: all of a small network, the last two blocks of a large one."""


def described(
    default: Any,
    description: str,
    *,
    shown: str | None = None,
    choices: dict[str, str] | None = None,
    panel: str | None = None,
    option: str | None = None,
    **constraints: Any,
) -> Any:
    """A field with its help.

    Args:
        default: The default value; None if it depends on the data.
        description: One or two sentences, with the unit.
        shown: The default in words, where the value does not say it.
        choices: What each value means.
        panel: The panel, unless it is the section's.
        option: The name of the setting among all, unless it is the field's.
        constraints: Of pydantic, such as `ge`.
    """
    extra: dict[str, Any] = {"shown": shown, "choices": choices, "panel": panel, "option": option}
    extra = {key: value for key, value in extra.items() if value is not None}
    return Field(default, description=description, json_schema_extra=extra, **constraints)


def require_number(option: str, value: float, *, least: float | None = None, below: float | None = None) -> None:
    """Refuse a number out of its range, NaN and infinity included.

    Raises:
        InputError: It is less than `least`, or not less than `below`.
    """
    if not math.isfinite(value) or (least is not None and value < least):
        raise InputError(
            f"must be {'finite' if least is None else f'at least {least:g}'} (it is {value:g})", option=option
        )
    if below is not None and value >= below:
        raise InputError(f"must be below {below:g} (it is {value:g})", option=option)


def checked(public: Public) -> Public:
    """Make a function or dataclass refuse arguments that are not of the types it declares.

    NumPy's numbers count as numbers; of containers only the kind is checked, not what they hold. A string in
    `Annotated[…]` says in the message what is taken.

    Example:
        >>> @checked
        ... def repeat(text: str, times: int = 2) -> str:
        ...     return text * times
        >>> repeat("ab", times="3")
        Traceback (most recent call last):
        labelaudit.errors.InputError: `times`: give a whole number, not '3' (str)
    """
    if isinstance(public, type):
        public.__init__ = checked(public.__init__)  # type: ignore[misc]  # a dataclass has no other way in
        return public
    signature = inspect.signature(public)

    @functools.cache
    def hints() -> dict[str, Any]:
        return get_type_hints(public, include_extras=True)

    @functools.wraps(public)
    def call(*arguments: Any, **keywords: Any) -> Any:
        for name, value in signature.bind(*arguments, **keywords).arguments.items():
            kind = signature.parameters[name].kind
            hint = hints().get(name, object)
            if kind is not inspect.Parameter.VAR_KEYWORD and not _fits(value, hint):
                shown = repr(value) if len(repr(value)) <= 60 else "…"
                raise InputError(f"give {_in_words(hint)}, not {shown} ({type(value).__name__})", option=name)
        return public(*arguments, **keywords)

    return call  # type: ignore[return-value]  # it takes and gives the same


def _unaliased(hint: Any) -> Any:
    """What a `type` statement's name stands for; NumPy's NDArray is one from NumPy 2.5 and Python 3.12 on."""
    return getattr(get_origin(hint) or hint, "__value__", hint)


def _fits(value: object, hint: Any) -> bool:
    """Whether a value is of a declared type."""
    hint = _unaliased(hint)
    origin = get_origin(hint)
    if hint in (Any, object):
        return True
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in get_args(hint))
    if origin is Literal:
        return isinstance(value, str) and value in get_args(hint)
    if origin is Annotated:
        return _fits(value, get_args(hint)[0])
    if origin is Callable:
        return callable(value)
    if origin in (tuple, Sequence):
        return isinstance(value, Sequence) and not isinstance(value, (str, bytes))
    number = {int: Integral, float: Real}.get(hint)
    if number is not None:
        return isinstance(value, number) and not isinstance(value, bool)
    return isinstance(value, origin or hint)


_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "a string",
    bool: "True or False",
    NoneType: "None",
    np.ndarray: "an array",
}


def _in_words(hint: Any) -> str:
    """A type as a message names it."""
    hint = _unaliased(hint)
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return " or ".join(_in_words(part) for part in get_args(hint))
    if origin is Literal:
        return "one of " + ", ".join(map(repr, get_args(hint)))
    if origin is Annotated:
        kind, *notes = get_args(hint)
        return next((note for note in notes if isinstance(note, str)), _in_words(kind))
    if origin is Callable:
        return "a function"
    kind = origin or hint
    article = "an" if kind.__name__[0] in "AEIOU" else "a"
    return _WORDS.get(kind, f"{article} {kind.__name__}")
