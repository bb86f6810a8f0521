"""From predicted flows to labels: whole images or blocks, with the same bytes. Arrays only."""
