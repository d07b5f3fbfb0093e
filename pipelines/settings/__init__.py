"""Files and flags as settings: YAML, kinds, checks, error messages."""
