"""The errors a user can do something about."""


class InputError(Exception):
    """Unusable input or options (exit code 2); the message says what was wrong, where, and what to do."""


class RunError(Exception):
    """A run that could not go on through no fault of its input (exit code 3), such as a full disk."""


class LostError(RunError):
    """Another process of a run by several is gone.

    Attributes:
        speaks: Whether this process is the one to say so: the first of those that are left.
    """

    def __init__(self, text: str, speaks: bool) -> None:
        super().__init__(text)
        self.speaks = speaks
