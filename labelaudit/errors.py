"""The error that is the user's to mend."""


class InputError(ValueError):
    """The input or an option cannot be used. The message names it and says what to do (exit code 2)."""
