"""Look at a dataset: random nuclei and panoramas in static pages that read it by range, and a server for 127.0.0.1."""
