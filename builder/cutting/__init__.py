"""The arithmetic of crops: recipes `published` and `refined`, and what is measured. Arrays in, arrays out; no files."""
