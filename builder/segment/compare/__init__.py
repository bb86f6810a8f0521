"""Scoring masks against true ones: average precision and the cases behind it."""
