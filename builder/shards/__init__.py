"""Pieces -> Parquet files of every config: order of the rows, splits, row groups, the choice of 10k, provenance."""
