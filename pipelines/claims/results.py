"""The results of all claims, as warnings and as tags."""

from collections.abc import Mapping

from advcore.pipelines.claims import Claim, Measured, Tables
from advcore.pipelines.claims.shares import Shares, within_shares
from advcore.workers.errors import USERS_ERRORS
from advcore.workers.redaction import without_secrets


def evaluate_claim(claim: Claim, measured: Tables, shares: Shares) -> Measured | str:
    """Return a claim's result, or why it has none; `shares` are the columns that hold shares."""
    try:
        return within_shares(claim, claim.measure(measured), shares)
    except USERS_ERRORS as error:  # of a user's own claim, too: hours of measuring lie behind it
        return (
            "not measured: "
            f"{error.args[0] if isinstance(error, LookupError) and error.args else repr(error)}"
        )


def claim_warnings(claims: Mapping[str, Measured | str]) -> dict[str, dict[str, str]]:
    """Return the claims' warnings, by name, then by `claim NAME`."""
    told: dict[str, dict[str, str]] = {}
    for claim, result in claims.items():
        for warning in () if isinstance(result, str) else result.warnings:
            name, _, sentence = warning.partition(": ")
            told.setdefault(name, {})[f"claim {claim}"] = sentence
    return told


def verdicts(claims: Mapping[str, Measured | str]) -> dict[str, str]:
    """Return each claim's result in words, as tags."""
    words = {
        name: result
        if isinstance(result, str)
        else (
            f"{result.value:.4g}, 95 % {result.low:.4g} to {result.high:.4g}: "
            f"{result.verdict or '-'} ({result.unit})"
        )
        for name, result in claims.items()
    }
    return {f"advcore.claim.{name}": without_secrets(text) for name, text in words.items()}


def by_place(warnings: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return one text for each name, with a line for each place."""
    return {
        name: "\n".join(f"{place}: {sentence}" for place, sentence in told.items())
        for name, told in warnings.items()
    }
