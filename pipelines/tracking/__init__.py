"""Logging to MLflow; no other room imports it."""
