"""Stitched images and their masks, as files become arrays: pairing, decoding, labels as runs, regions."""
