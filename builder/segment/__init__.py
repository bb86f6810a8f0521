"""The verbs `segment` and `overlay`: masks of stitched images by cellpose, scored and shown."""
