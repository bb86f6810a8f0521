"""Random samples: which rows are drawn, drawing them, and the report of the command `sample`."""
