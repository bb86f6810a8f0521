"""What every verb shares: the program, options, progress, numbers in words, names of outputs."""
