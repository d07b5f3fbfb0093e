"""Stores of finished rows: a folder or an S3 bucket."""
