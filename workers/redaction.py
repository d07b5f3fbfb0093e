"""Secrets out of texts: what is shown, logged or written passes through here where a credential may stand in it."""

import os
import re
from collections.abc import Mapping
from typing import Any

_SECRET = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|ACCESS_KEY|CREDENTIALS?$|API_?KEY")
_LEAST = 6
"""Characters of a variable's value from which on it is looked for: shorter ones would take words out of texts by chance."""


def without_secrets(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """The text without what stands before an `@` in addresses, and without the values of secret parameters and variables.

    A variable is secret by its name (..._TOKEN, ..._PASSWORD, AWS_SECRET_ACCESS_KEY and the like), and an address in a variable is
    where its user and password stand.
    """
    for name, value in environment.items():
        for secret in _secrets(name.upper(), value):
            text = text.replace(secret, "***")
    return without_credentials(text)


def without_credentials(text: str) -> str:
    """The text without what stands before an `@` in addresses, and without the values of secret parameters in them."""
    text = re.sub(r":/{1,2}(?=[^\s/])\S*@", "://***@", text)  # one slash where somebody took it for a path
    text = re.sub(r"(?<![\w/])[^\s/:'\"]+:(?!//)\S*@", "***@", text)
    return re.sub(r"(?i)([?&][\w-]*(?:password|passwd|secret|token|key|signature|credential)[\w-]*=)[^&\s]+", r"\1***", text)


def plain_without_secrets(value: Any, environment: Mapping[str, str] = os.environ) -> Any:
    """Words, numbers, lists and mappings, with every word without secrets."""
    if isinstance(value, str):
        return without_secrets(value, environment)
    if isinstance(value, Mapping):
        return {name: plain_without_secrets(part, environment) for name, part in value.items()}
    return [plain_without_secrets(part, environment) for part in value] if isinstance(value, list | tuple) else value


def _secrets(name: str, value: str) -> list[str]:
    """What of a variable must not be shown."""
    found = re.findall(r"://[^\s/@]*?:([^\s/]+)@", value)
    if _SECRET.search(name) and not name.endswith(("_PATH", "_FILE")):
        found.append(value)
    return [secret for secret in found if len(secret) >= _LEAST]
