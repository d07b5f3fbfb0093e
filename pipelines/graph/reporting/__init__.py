"""The reporting of a study: tables, figures, the report, MLflow's view."""
