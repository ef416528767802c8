"""Texts that are mails: their headers, and what is to be read first."""

from __future__ import annotations

import re

_HEADER = re.compile(r"([A-Z][A-Za-z-]{1,40}): ?(.*(?:\n[ \t].*)*)\n?")
_MAIL = {"from", "to", "subject", "date", "message-id", "organization", "lines", "reply-to", "newsgroups", "received"}


def split_headers(text: str) -> tuple[str, str]:
    """The headers of a mail, and what is to be read first: its subject and its body; ("", text) of what is no mail.

    A mail begins with two lines or more that name a header, of which two or more are a mail's own.
    """
    place, names, subject = 0, [], ""
    while (match := _HEADER.match(text, place)) is not None:
        names.append(match[1].lower())
        subject = match[0].strip() if names[-1] == "subject" else subject
        place = match.end()
    if len(_MAIL.intersection(names)) < 2 or not text[place:].strip():
        return "", text
    body = text[place:].lstrip("\n")
    return text[:place].rstrip(), f"{subject}\n\n{body}" if subject else body
