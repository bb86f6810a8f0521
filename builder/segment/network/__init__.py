"""Networks and their weights: cellpose 3 and cellpose-SAM, loaded and run."""
