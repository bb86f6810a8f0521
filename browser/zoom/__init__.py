"""Panoramas: pyramids of tiles of stitched images and masks, and the mosaic of config 10k."""
