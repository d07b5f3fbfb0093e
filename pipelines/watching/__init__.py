"""A study that runs, looked at from another process: how far it is, and its claims so far."""
