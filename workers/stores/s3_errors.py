"""Failures of S3 in words: which may pass, and the server's own sentence otherwise."""

from collections.abc import Mapping
from typing import Any

from advcore.workers.redaction import shortened, without_secrets

KEYS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a role"
AGAIN = "try again, the same command goes on from there"
NO_S3 = "what answers there is no S3: check AWS_ENDPOINT_URL (http or https, host and port)"
CHECKSUMS = (
    "set AWS_REQUEST_CHECKSUM_CALCULATION=when_required and "
    "AWS_RESPONSE_CHECKSUM_VALIDATION=when_required"
)
AWAY = "nobody answers there: check AWS_ENDPOINT_URL and the network"
REASONS = {
    "NoCredentialsError": f"there are no credentials: {KEYS}",
    "PartialCredentialsError": f"the credentials are not whole: {KEYS}",
    "ProfileNotFound": f"there is no such profile: {KEYS}",
    "CredentialRetrievalError": f"the credentials cannot be had: {KEYS}",
    "NoSuchBucket": "there is no such bucket: make it, or check its name",
    "AccessDenied": (
        "forbidden: the credentials lack the right to it (s3:ListBucket, s3:GetObject, "
        "s3:PutObject)"
    ),
    "403": (
        "forbidden: the credentials lack the right to it (s3:ListBucket, s3:GetObject, "
        "s3:PutObject)"
    ),
    "InvalidAccessKeyId": f"forbidden, the access key is not known there: {KEYS}",
    "SignatureDoesNotMatch": f"forbidden, the secret key is another: {KEYS}",
    "ExpiredToken": "forbidden, the credentials have expired: renew them",
    "412": "it was changed while it was fetched: run again",
    "PreconditionFailed": "it was changed while it was fetched: run again",
    "InvalidRange": "it is empty: delete it and run again",
    "EndpointConnectionError": AWAY,
    "ConnectTimeoutError": AWAY,
    "ConnectionClosedError": f"connections are dropped: {AGAIN}",
    "SSLError": "its certificate is not trusted: set AWS_CA_BUNDLE, or check AWS_ENDPOINT_URL",
    "RecursionError": NO_S3,
    "KeyError": NO_S3,
    "ResponseParserError": NO_S3,
    "301": NO_S3,
    "302": NO_S3,
    "303": NO_S3,
    "307": NO_S3,
    "308": NO_S3,
    "405": NO_S3,
    "ValueError": "AWS_ENDPOINT_URL is no URL: set it to http(s)://HOST:PORT, or leave it out",
}
"""Meanings of botocore's errors and of some of S3's codes."""
PASSING = {
    "EndpointConnectionError",
    "ConnectTimeoutError",
    "ConnectionClosedError",
    "ReadTimeoutError",
    "ResponseStreamingError",
    "ProxyConnectionError",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "RequestTimeout",
    "ConnectionError",
    "ConnectionResetError",
    "ConnectionRefusedError",
}
"""Errors after which the same request may succeed."""


def reason_for(error: Exception) -> tuple[str, bool]:
    """Return what a failure means, and whether the same request may succeed later."""
    answer: Mapping[str, Any] = (
        getattr(error, "response", None) or {}
    )  # of errors on the way there it is None
    told = answer.get("Error", {})
    code, sentence = (
        str(told.get("Code", "")) or type(error).__name__,
        _own_words(str(told.get("Message", ""))),
    )
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    passing = code in PASSING or (status >= 500 and status not in LASTING and code not in FULL)
    if code in REASONS:
        return REASONS[code], passing
    if status == 501 or code == "NotImplemented":
        return (
            (
                f"it does not do what was asked (NotImplemented{sentence}): {CHECKSUMS}, or "
                "take another server"
            ),
            False,
        )
    if answer and not passing:
        return f"it refuses ({code}{sentence})", False
    doubt = (
        f"; if that stays so, {NO_S3}" if code.isdigit() else ""
    )  # S3 gives words, but where it is asked for no body
    return f"the answer is {code}: {AGAIN}{doubt}", passing


def _own_words(sentence: str) -> str:
    return f": {without_secrets(shortened(' '.join(sentence.split()), 300))}" if sentence else ""


LASTING = (501, 505, 507)
"""Statuses of a server's failures that do not pass: not implemented, version, no space."""
FULL = {
    "XMinioStorageFull",
    "QuotaExceeded",
    "ServiceQuotaExceededException",
    "InsufficientStorage",
    "TooManyBuckets",
}
"""Codes of a server that has no space for us, whatever its status is."""
