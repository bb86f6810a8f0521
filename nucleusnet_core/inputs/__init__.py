"""Stitched images and their masks, from files to arrays: pairing, decoding, labels as runs, regions."""
