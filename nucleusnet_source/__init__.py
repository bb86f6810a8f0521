"""A dataset wherever it lies: manifest, footers, range reads, cells, and the errors everyone raises."""
