"""A study: its file, checks, tasks, driver, report."""
