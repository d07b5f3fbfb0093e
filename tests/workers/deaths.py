"""Ends of actors as Ray tells of them."""

from ray.exceptions import ActorDiedError


def died(text: str, init_failed: bool = False) -> ActorDiedError:
    """Ray's error with these words."""
    error = ActorDiedError()
    error.error_msg, error._actor_init_failed = text, init_failed
    return error
