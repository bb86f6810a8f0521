"""The verb `build`: from options to a dataset folder that appears whole; work folder, shares, assembly."""
