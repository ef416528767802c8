"""The errors a user can do something about.

Messages and notes name a setting as Python callers write it, in backticks: `` `learning_rate` ``. The command line
prints it as its own option, `--learning-rate` (see `labelaudit.cli.spelling`).
"""


class InputError(Exception):
    """Unusable input or settings (exit code 2); the message says in one line what was wrong, where, and what to do.

    Names of files and columns may have line breaks, which are shown as such.

    Attributes:
        option: The setting that was wrong, as Python callers name it; None if the message is not about one.

    Example:
        >>> str(InputError("must be above 0 (it is -1)", option="learning_rate"))
        '`learning_rate`: must be above 0 (it is -1)'
    """

    def __init__(self, message: str, *, option: str | None = None) -> None:
        line = "\\n".join(message.splitlines())
        super().__init__(line if option is None else f"`{option}`: {line}")
        self.option = option


class RunError(Exception):
    """A run that failed for no fault of its input (exit code 3), such as a full disk."""


class LostError(RunError):
    """Another process of a distributed run has ended.

    Attributes:
        speaks: Whether this process reports it: only the lowest of the remaining ranks does.
    """

    def __init__(self, text: str, speaks: bool) -> None:
        super().__init__(text)
        self.speaks = speaks
