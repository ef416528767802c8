"""The errors a user can do something about."""


class InputError(Exception):
    """Unusable input or options (exit code 2); the message says what was wrong, where, and what to do."""


class RunError(Exception):
    """A run that could not go on through no fault of its input (exit code 3), such as a full disk."""
