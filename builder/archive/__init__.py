"""The verb `archive`: images and masks, or a dataset folder, as zips that fit a repository."""
