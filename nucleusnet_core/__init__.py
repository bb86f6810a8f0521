"""The floor: what builder, loaders, explore and browser share. Imports none of them, and nothing heavy at its top."""
