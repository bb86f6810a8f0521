"""The dataset card: study facts, statistics, drift between runs, columns, Croissant."""
