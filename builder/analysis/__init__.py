"""Statistics, representatives, the mosaic and figures of a dataset."""
