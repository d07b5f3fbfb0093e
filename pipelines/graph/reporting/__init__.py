"""What a study shows: tables, figures, the report, MLflow's view."""
