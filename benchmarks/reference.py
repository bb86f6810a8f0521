"""The size of the published dataset, at which costs are measured."""

ROWS = 1_061_277
RUNS = 100
IMAGES = 1_600
IMAGE_PX = 12_500
NUCLEI_PER_MM2 = 275.0
