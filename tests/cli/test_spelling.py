from __future__ import annotations

import pickle
from typing import Annotated

import typer

from labelaudit import InputError
from labelaudit.cli import spelling
from labelaudit.cli.app import app
from labelaudit.cli.spelling import spell_as, spell_options


def test_settings_become_options_and_other_words_stay():
    assert spell_options("`learning_rate` is 2, `as_json` and `budget`") == "--learning-rate is 2, --json and --budget"
    assert spell_options("give `config` or `scan()`; learning_rate, `Learning_rate`") == (
        "give `config` or `scan()`; learning_rate, `Learning_rate`"
    )


def test_options_are_those_of_the_program_that_runs():
    other = typer.Typer()

    @other.command()
    def first(budget: Annotated[int, typer.Option("--rows")] = 1) -> None: ...

    @other.command()
    def second(learning_rate: float) -> None: ...

    try:
        spell_as(other)
        assert spell_options("`budget`, `seed`") == "--rows, `seed`"
    finally:
        spell_as(app)
    assert spelling.spell_options("`seed`") == "--seed"


def test_an_input_error_names_its_setting():
    error = InputError("is too small", option="learning_rate")
    assert (str(error), error.option) == ("`learning_rate`: is too small", "learning_rate")
    assert (str(InputError("no rows")), InputError("no rows").option) == ("no rows", None)
    again = pickle.loads(pickle.dumps(error))  # as between processes
    assert (str(again), again.option) == (str(error), "learning_rate")
