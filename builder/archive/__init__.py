"""Images and masks, or a dataset folder, packed into records of zips."""
