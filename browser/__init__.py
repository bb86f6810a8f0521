"""The cell browser: a small server for 127.0.0.1, and a static page that reads a dataset's shards by itself."""
