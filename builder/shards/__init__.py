"""Pieces -> Parquet files of every config: row order, splits, row groups, the 10k choice, provenance."""
