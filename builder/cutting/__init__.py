"""From the bytes of an image and a mask to crops and measurements: arrays in, arrays out."""
