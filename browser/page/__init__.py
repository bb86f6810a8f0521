"""The cell browser's page: a small local server, or a static site."""
