"""Stitched images and masks in, a dataset folder out."""
