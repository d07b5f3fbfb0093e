"""What the address "auto" means: the Ray that this machine belongs to, and not one that another run
started for itself."""

from collections.abc import Iterator, Sequence

from advcore.workers.errors import InputError
from advcore.workers.pool.private_ray import PRIVATE


def local_head() -> str:
    """HOST:PORT of the head that `ray start` noted last on this machine, or of any other whose part
    runs here.

    Raises InputError where there is none.
    """
    from ray._private.utils import read_ray_address

    noted = read_ray_address() or ""
    public, private = _running(list(_command_lines()))
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
    """The addresses of all heads that processes of Ray on this machine belong to: for everybody,
    and private ones."""
    public: set[str] = set()
    private: set[str] = set()
    for words in command_lines:
        if words and words[0].rpartition("/")[2] == "raylet":
            flags = dict(word.partition("=")[::2] for word in words[1:] if word.startswith("--"))
            address = flags.get("--gcs-address", "")
            if address:
                (private if flags.get("--node-name") == PRIVATE else public).add(address)
    return public - private, private


def _command_lines() -> Iterator[list[str]]:
    from ray._private.services import psutil

    for process in psutil.process_iter(["cmdline"]):  # what may not be seen has none
        yield process.info["cmdline"] or []
