"""Stitched images to masks: cellpose on whole images, with weights of both generations."""
