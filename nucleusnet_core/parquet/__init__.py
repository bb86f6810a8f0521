"""Parquet of any origin: footers and pages are checked here before pyarrow parses or decompresses them."""
