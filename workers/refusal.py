"""The one error for an input that cannot work."""


class Refused(ValueError):  # noqa: N818 (it reads as what happens to the input)
    """An input that cannot work, found before any work is done.

    Its message is one line: what was expected, what came, what to do. The command line shows that line and exits with 2.
    """
