"""The machine: locks, disk, terminal, environment."""
