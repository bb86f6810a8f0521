"""Stitched images with masks and truth to try everything on."""
