"""The help: what fits a screen, and that every option is explained."""

from __future__ import annotations

import re
from typing import Literal, get_args, get_origin

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from labelaudit import audit_config
from labelaudit.cli.app import app
from labelaudit.cli.options import _range
from labelaudit.config import AuditConfig
from labelaudit.settings import settings
from labelaudit.types import Augmentation

COMMANDS = get_command(app).commands  # type: ignore[attr-defined]  # an app of several is a group
PAGES = [
    *([name, "--help"] for name in COMMANDS),
    *([name, "--help-all"] for name in ("scan", "baseline", "flip-test")),
]


def page(*arguments: str, columns: int = 80) -> str:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": str(columns)})
    assert result.exit_code == 0
    return result.stdout


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_a_screen(command):
    lines = page(*command.split(), "--help").splitlines()
    assert len(lines) <= 45
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("arguments", PAGES)
def test_no_word_is_broken(arguments):
    narrow, wide = (page(*arguments, columns=columns).split() for columns in (80, 100))
    assert narrow == wide


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained_with_its_default(command):
    for parameter in COMMANDS[command].params:
        assert parameter.help, parameter.name
        if parameter.param_type_name == "option" and not parameter.is_flag:
            assert parameter.metavar, parameter.name
            shown = isinstance(parameter.show_default, str) or parameter.default is not None
            assert shown or parameter.required, parameter.name
        sentence, *choices = parameter.help.split("\n")
        assert re.search(r"[.\]…]$", sentence), parameter.name
        assert all(": " in choice for choice in choices), parameter.name


def test_help_all_has_every_option_and_help_the_most_used():
    short, long = page("scan", "--help"), page("scan", "--help-all")
    options = {max(p.opts, key=len) for p in COMMANDS["scan"].params if p.param_type_name == "option"}
    assert set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", long, flags=re.MULTILINE)) == options | {"--help"}
    shown = re.findall(r"^  (--[a-z-]+)", short, flags=re.MULTILINE)
    assert len(shown) == 11
    assert shown[-1] == "--help-all"
    assert "<bool>" not in long
    titles = ["Data", "Model", "Fine-tune", "Influence", "Report", "Run", "Help", "Examples"]
    assert [line for line in long.splitlines() if line in titles] == titles


def test_how_an_option_reads():
    text = page("scan", "--help-all")
    assert (
        "  --clip-norm X         Norm to which a mini-batch's gradient is clipped. [above\n"
        "                        0] [default: no clipping]\n"
    ) in text
    assert (
        "  --removal CHOICE      From when on a row is left out.\n"
        "                          window  in the window's steps only [default]\n"
        "                          start   from the first step of the run\n"
    ) in text


def test_a_choice_is_one_of_its_type_and_every_one_is_explained():
    for setting in settings():
        annotation = setting.info.annotation
        kinds = [annotation, *get_args(annotation)]
        values = [get_args(kind) for kind in kinds if get_origin(kind) is Literal]
        named = set(setting.choices) - {"last:N", "2 to 99"}  # which stand for numbers
        assert named == set(values[0]) if values else named <= {"auto", "all", "head"}, setting.name


def test_the_options_make_the_configuration():
    names = [setting.name for setting in settings()]
    assert len(set(names)) == len(names)
    assert audit_config() == AuditConfig()
    config = audit_config(model="dnn", augment="shift", feature_columns="a,b", seed=3, budget=7, epochs=None)
    assert (config.model.name, config.training.augmentation, config.source.feature_columns) == (
        "dnn",
        "shift",
        ("a", "b"),
    )
    assert (config.seed, config.selection.budget, config.training.epochs) == (3, 7, None)
    assert "shift" in get_args(Augmentation)


def test_the_range_of_a_number_is_said():
    said = {setting.name: _range(setting) for setting in settings()}
    assert (said["epochs"], said["momentum"]) == (" [at least 1]", " [at least 0 and below 1]")
    assert (said["max_unreadable"], said["clip_norm"], said["model"]) == (" [0 to 1]", " [above 0]", "")
