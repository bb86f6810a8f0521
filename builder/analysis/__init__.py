"""The verbs `stats`, `representatives` and `mosaic`: what images and nuclei are like, as tables and pictures."""
