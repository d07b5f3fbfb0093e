"""A sweep: its file, trials, runners, report."""
