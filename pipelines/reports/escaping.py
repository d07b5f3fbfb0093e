"""Text from a user's code or files, made safe for a terminal and for Markdown."""

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
    """Return the text in one line, with control and direction characters escaped."""
    return "".join(
        sign if sign.isprintable() else ascii(sign)[1:-1] for sign in " ".join(text.split())
    )


def in_markdown(text: str) -> str:
    """Return the text in one line of literal Markdown: no HTML, links, pictures, ends of cells."""
    return re.sub(r"[&<>|\[`\\]", lambda found: _MARKDOWN[found[0]], visible(text))
