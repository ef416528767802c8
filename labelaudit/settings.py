"""The settings of an audit as one flat list, under the names that command line and Python callers use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from labelaudit.config import AuditConfig
from labelaudit.errors import InputError


@dataclass(frozen=True)
class Setting:
    """A field of the configuration.

    Attributes:
        name: The name that callers use.
        section: The field of `AuditConfig` that holds it; None if `AuditConfig` itself does.
        field: Its name there.
        info: Type, default, constraints and description.
        panel: The group it is shown in.
        shown: The default in words; None if the value says it.
        choices: What each value means, where there are few.
    """

    name: str
    section: str | None
    field: str
    info: FieldInfo
    panel: str
    shown: str | None
    choices: dict[str, str]


def settings() -> Iterator[Setting]:
    """All settings of an audit, in the order of the configuration's fields."""
    for name, info in AuditConfig.model_fields.items():
        section = info.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            for field, inner in section.model_fields.items():
                yield _setting(name, section, field, inner)
        else:
            yield _setting(None, AuditConfig, name, info)


def _setting(section: str | None, config: Any, field: str, info: FieldInfo) -> Setting:
    extra: Any = info.json_schema_extra
    return Setting(
        extra.get("option", field),
        section,
        field,
        info,
        extra.get("panel", config.panel),
        extra.get("shown"),
        extra.get("choices", {}),
    )


def audit_config(**options: Any) -> AuditConfig:
    """The configuration with some settings other than the defaults.

    Args:
        options: Settings by name; None stands for the default.

    Returns:
        The configuration.

    Raises:
        InputError: There is no such setting, a value is of another type or out of its range, or two exclude each other.

    Example:
        >>> config = audit_config(model="lr", epochs=3, precision=0.8)
        >>> config.model.name, config.training.epochs, config.selection.precision
        ('lr', 3, 0.8)
    """
    by_name = {setting.name: setting for setting in settings()}
    for option in options:
        if option not in by_name:
            near = get_close_matches(option, by_name, n=1)
            raise InputError(
                f"there is no option {option!r}"
                + (f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(sorted(by_name))}")
            )
    if options.get("precision") is not None and options.get("budget") is not None:
        raise InputError("`precision` and `budget` exclude each other: one aims at a share, the other at a number")
    values: dict[str, Any] = {}
    for option, value in options.items():
        setting = by_name[option]
        if value is not None:
            place = values if setting.section is None else values.setdefault(setting.section, {})
            place[setting.field] = _plain(setting, value)
    try:
        return AuditConfig.model_validate(values)
    except ValidationError as error:
        raise _as_input_error(error, by_name) from error


def _plain(setting: Setting, value: object) -> object:
    """A value as the configuration takes it: numbers and truth values of Python and NumPy, names, lists of names.

    Raises:
        InputError: It is of a type that would only be taken by accident: True for a number, bytes for a name, a set or
            a table for a list of names.
    """
    annotation = str(setting.info.annotation)
    if isinstance(value, np.generic):
        value = value.item()
    named = isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value) and len(value) > 0
    if "tuple" in annotation and not (isinstance(value, str) or named):
        raise InputError(f"give names as A,B,C or a list of them (it is {_shown(value)})", option=setting.name)
    if isinstance(value, bool) != ("bool" in annotation) or isinstance(value, bytes):
        wanted = next(words for kind, words in _WORDS.items() if kind in annotation)
        raise InputError(f"give {wanted} (it is {_shown(value)})", option=setting.name)
    return value


_WORDS = {"bool": "True or False", "int": "a whole number", "float": "a number", "Path": "a path", "": "a string"}
"""What a setting is, by what its annotation has in it, the first that fits."""


def _shown(value: object) -> str:
    return f"{value!r:.60}".partition("\n")[0]


def _as_input_error(error: ValidationError, by_name: dict[str, Setting]) -> InputError:
    """The first thing that is wrong, in one line."""
    first = error.errors()[0]
    section_or_field, *field = map(str, first["loc"])
    where = {(s.section, s.field): s for s in by_name.values()}
    setting = where.get((None, section_or_field)) or where[section_or_field, field[0]]
    message, value = first["msg"].lower(), first["input"]
    if setting.choices:
        message = f"input should be one of {', '.join(setting.choices)}"
    return InputError(f"{message} (it is {value})", option=setting.name)
