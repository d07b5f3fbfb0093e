"""The actor pool on Ray: actors that hold models, a queue of tasks, retries with back-off."""
