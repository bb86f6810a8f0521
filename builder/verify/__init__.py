"""The verb `verify`: every file, cell and count of a dataset folder."""
