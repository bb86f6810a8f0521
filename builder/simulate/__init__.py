"""The verb `simulate`: stitched images with masks and truth to try everything on."""
