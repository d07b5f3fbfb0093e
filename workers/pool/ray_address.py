"""The meaning of the address "auto": the Ray that this machine belongs to.

It is not one that another run started for itself.
"""

from collections.abc import Sequence

from advcore.workers.errors import InputError
from advcore.workers.pool.local_ray import PRIVATE
from advcore.workers.pool.ray_internals import command_lines, noted_address


def local_head() -> str:
    """Return HOST:PORT of the head that `ray start` noted last on this machine.

    Else of any other head whose part runs here.

    Raises InputError where there is none.
    """
    noted = noted_address()
    public, private = _running(list(command_lines()))
    if noted and noted not in private and (noted in public or not public):
        return noted
    if not public:
        others = ", but for those that other runs have started for themselves" if private else ""
        raise InputError(
            f"no Ray runs on this machine{others}: start one by `ray start --head`, give its "
            "HOST:PORT, or leave the address out"
        )
    return min(public)


def _running(command_lines: Sequence[Sequence[str]]) -> tuple[set[str], set[str]]:
    """Return the addresses of all heads that Ray's processes on this machine belong to.

    Those for everybody, and private ones.
    """
    public: set[str] = set()
    private: set[str] = set()
    for words in command_lines:
        if words and words[0].rpartition("/")[2] == "raylet":
            flags = dict(word.partition("=")[::2] for word in words[1:] if word.startswith("--"))
            address = flags.get("--gcs-address", "")
            if address:
                (private if flags.get("--node-name") == PRIVATE else public).add(address)
    return public - private, private
