"""What a study does: checks, trainings, derived data, fits, measuring, one driver of all."""
