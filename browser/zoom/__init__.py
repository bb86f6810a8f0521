"""Panoramas to walk through: pyramids of stitched images and masks, and the mosaic of config 10k."""
