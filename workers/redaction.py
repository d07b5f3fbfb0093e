"""Mask secrets in texts.

What is shown, logged or written passes through here where a credential may stand in it.
"""

import os
import re
from collections.abc import Mapping
from typing import Any

_SECRET = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|ACCESS_KEY|CREDENTIALS?$|API_?KEY")
_PARAMETER = re.compile(
    r"(?<=[?&])([\w-]{0,80}?(?:password|passwd|secret|token|key|signature|credential)[\w-]{0,80}=)[^&\s]+",
    re.IGNORECASE,
)
_LEAST = 6
"""Characters of a variable's value from which on it is looked for: shorter ones would take words
out of texts by chance."""
_MOST, LINE = 20_000, 2_000
"""Characters that are kept of a failure's text, and of one that stands in a line."""


def without_secrets(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return the text with its secrets masked.

    Secrets are users and passwords in addresses, and the values of secret parameters and variables.

    A variable is secret by its name (..._TOKEN, ..._PASSWORD, AWS_SECRET_ACCESS_KEY and the like),
    and an address in a variable is where its user and password stand. The time that it takes grows
    with the text as its length does.
    """
    for name, value in environment.items():
        for secret in _secrets(name.upper(), value):
            text = text.replace(secret, "***")
    return without_credentials(text)


def without_credentials(text: str) -> str:
    """Return the text with the secrets of its addresses masked.

    Those are users and passwords, and the values of secret parameters.
    """
    if "@" in text:
        text = re.sub(r"\S+", lambda word: _without_user(word[0]), text)
    return _PARAMETER.sub(r"\1***", text)


def shortened(text: str, most: int = _MOST) -> str:
    """Return the text, shortened if it is longer than `most` characters.

    Then it is its beginning and its end, and how much was between.
    """
    if len(text) <= most:
        return text
    kept = most // 2
    return f"{text[:kept]} ... {len(text) - 2 * kept} characters left out ... {text[-kept:]}"


def last_line(error: str) -> str:
    """Return the last line of a traceback, without secrets."""
    last = (shortened(error).strip().splitlines() or ["no reason is known"])[-1]
    return without_secrets(shortened(last, LINE))


def plain_without_secrets(value: Any, environment: Mapping[str, str] = os.environ) -> Any:
    """Return settings as they may be written down, with secrets masked in every word.

    They are words, numbers, lists and mappings.

    A variable whose value is a plain word ("digits") takes nothing out of them: such words name
    data sets and the like.
    """
    return _plain(
        value,
        {name: value for name, value in environment.items() if not re.fullmatch("[a-z]+", value)},
    )


def restored(told: Any, own: Any) -> Any:
    """Return settings that were written down without secrets, with secrets filled in.

    They come from those of `own` that look the same without theirs.
    """
    if isinstance(told, Mapping) and isinstance(own, Mapping):
        return {name: restored(part, own.get(name)) for name, part in told.items()}
    if isinstance(told, list) and isinstance(own, list | tuple) and len(told) == len(own):
        return [restored(part, other) for part, other in zip(told, own, strict=True)]
    return own if isinstance(own, str) and plain_without_secrets(own) == told else told


def _plain(value: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return without_secrets(value, environment)
    if isinstance(value, Mapping):
        return {name: _plain(part, environment) for name, part in value.items()}
    return (
        [_plain(part, environment) for part in value] if isinstance(value, list | tuple) else value
    )


def _secrets(name: str, value: str) -> list[str]:
    """Return the parts of a variable that must not be shown."""
    found = re.findall(r"://[^\s/@:]*:([^\s/]+)@", value)
    if _SECRET.search(name) and not name.endswith(("_PATH", "_FILE")):
        found.append(value)
    return [secret for secret in found if len(secret) >= _LEAST]


def _without_user(word: str) -> str:
    """Return a word, without blanks, whose addresses have lost their users.

    Addresses are SCHEME://USER:PASSWORD@HOST/... and USER:PASSWORD@HOST.
    """
    if "@" not in word:
        return word
    first, *rest = word.split("://")
    parts = [_without_loose_user(first)]
    for part in rest:
        authority = re.split(r"[/?#]", part, maxsplit=1)[0]
        _, colon, port = authority.rpartition(":")
        if "@" in part and (
            "@" in authority or (colon and not re.fullmatch("[0-9]*", port))
        ):  # a password may hold any sign
            part = f"***@{part.rpartition('@')[2]}"
        parts.append(part)
    return "://".join(parts)


def _without_loose_user(part: str) -> str:
    """Return the text with the user masked that stands before the first "://".

    That is USER:PASSWORD@HOST, or a whole address that somebody took for a path, with one slash.

    Names with an `@` are none: models:/NAME@ALIAS, NAME@HOST.
    """
    before, sign, host = part.rpartition("@")
    path, lost_slash, user = before.partition(":/")
    if sign and lost_slash and ":" in user:
        return f"{path}://***@{host}"
    found = re.search(r"(?<=[^/:'\"]):(?!/)", before) if sign and not lost_slash else None
    if found is None:
        return part
    start = 1 + max(before.rfind(end, 0, found.start()) for end in "/:'\"")
    return f"{before[:start]}***@{host}"
