"""What is wrong is said in one line."""

from __future__ import annotations

from labelaudit.errors import InputError


def test_a_message_is_one_line_whatever_names_it_has():
    assert str(InputError("no file a\nb\r\nc", option="out")) == "`out`: no file a\\nb\\nc"
