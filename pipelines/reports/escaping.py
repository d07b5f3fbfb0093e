"""Texts of strangers (names, sentences and errors of a user's own code or files) made fit for a
terminal and for Markdown."""

import re

_MARKDOWN = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    "|": "\\|",
    "[": "\\[",
    "`": "\\`",
    "\\": "\\\\",
}


def visible(text: str) -> str:
    """Return the text in one line, in which characters that steer a terminal or turn its direction
    are written out."""
    return "".join(
        sign if sign.isprintable() else ascii(sign)[1:-1] for sign in " ".join(text.split())
    )


def in_markdown(text: str) -> str:
    """Return the text in one line that a Markdown reader shows as it is: no HTML, no link or
    picture, no end of a table's cell."""
    return re.sub(r"[&<>|\[`\\]", lambda found: _MARKDOWN[found[0]], visible(text))
