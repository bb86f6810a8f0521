"""One stitched image -> one piece: its rows, cut and encoded, with a receipt of what they were made from."""
