"""Checks of a finished dataset folder."""
