"""Problems of a report: parts of it whose code failed, and which it is written without."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from advcore.pipelines.reports.escaping import visible
from advcore.workers.errors import USERS_ERRORS, UnavailableError, is_full
from advcore.workers.redaction import LINE, shortened, without_secrets
from advcore.workers.stores.rows import Damaged


class Problems(list[str]):
    """A list of what failed, one text each: one line, then the traceback."""

    def note(self, what: str, error: BaseException) -> None:
        """Note that `what` failed."""
        last = shortened(traceback.format_exception_only(error)[-1], LINE)
        trace = shortened("".join(traceback.format_exception(error)))
        self.append(without_secrets(f"{what}: {visible(last)}\n{trace}"))

    @contextmanager
    def caught(self, what: str) -> Iterator[None]:
        """Note an error of the block, which may be a user's own code, and go on behind it.

        Rows that are damaged, a store that is away, a disk that is full go through.
        """
        try:
            yield
        except (Damaged, UnavailableError):
            raise
        except USERS_ERRORS as error:
            if is_full(str(error)):
                raise
            self.note(what, error)
