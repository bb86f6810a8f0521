"""The verb `archive`: packs images and masks, or a dataset folder, into zips that fit a repository."""
