"""The page of random nuclei: sent by a small local server, or written as a static site."""
