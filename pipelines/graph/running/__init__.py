"""The running of a study: checks, trainings, derived data, fits, measuring, one driver of all."""
