"""Files on this machine: written whole or not at all, locked, hashed, and the space that they need."""
