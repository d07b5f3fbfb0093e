"""The meaning of MLflow's failures: whether a retry may help, and what to do."""

import errno
import urllib.error

from advcore.pipelines.tracking.finished_run import ask_server

NO_FILES = "no-serve-artifacts"
"""Words of a server that was told to serve no files; requests of files that MLflow makes end in
"too many 503" then."""

_LASTING = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENOENT)
_MENDS = (
    (
        ("401", "Unauthorized", "not authenticated"),
        "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
    ),
    (
        ("403", "Permission denied", "PERMISSION_DENIED"),
        "ask for the right to write there, or be another MLFLOW_TRACKING_USERNAME",
    ),
    (
        ("MLFLOW_ALLOW_FILE_STORE", "maintenance mode"),
        "give a file of SQLite (tracking_uri: sqlite:///FILE), or set MLFLOW_ALLOW_FILE_STORE=true",
    ),
    ((NO_FILES,), "start the server with --serve-artifacts and --artifacts-destination"),
    (
        ("NoSuchBucket", "bucket does not exist"),
        "make the bucket, or name another experiment (experiment: ...)",
    ),
    (
        ("Unable to locate credentials", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
        (
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and MLFLOW_S3_ENDPOINT_URL "
            "where it is not Amazon's"
        ),
    ),
)
"""Words of a failure, and what to do about it."""


def may_pass(error: Exception) -> bool:
    """True if a retry may help: the network, a busy or broken server, a full disk."""
    from mlflow.exceptions import MlflowException

    if NO_FILES in str(error) or "NoSuchBucket" in str(error):
        return False
    if isinstance(error, MlflowException):
        return error.get_http_status_code() >= 500 or error.error_code in (
            "REQUEST_LIMIT_EXCEEDED",
            "RESOURCE_EXHAUSTED",
        )
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:  # of requests, while artifacts are sent
        answer = str(getattr(error.response, "text", ""))[:10_000]  # type: ignore[attr-defined]
        return (status >= 500 or status == 429) and NO_FILES not in answer
    return (
        isinstance(error, OSError)
        and error.errno not in _LASTING
        and not isinstance(error, FileNotFoundError)
    )


def serves_files(uri: str) -> bool:
    """False if the server at `uri` says that it serves no files."""
    try:
        ask_server(uri, "mlflow-artifacts/artifacts?path=")
    except urllib.error.HTTPError as error:
        return NO_FILES not in error.read(10_000).decode(errors="replace")
    except (OSError, ValueError):
        return True
    return True


def mended_by(said: str) -> str:
    """Return what to do about a failure with this message; empty where nothing is known."""
    return next(
        (f"{advice}; " for words, advice in _MENDS if any(word in said for word in words)), ""
    )
