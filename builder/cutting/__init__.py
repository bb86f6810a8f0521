"""The arithmetic of crops: recipes `published` and `refined`, and what is measured. From arrays to arrays; no files."""
