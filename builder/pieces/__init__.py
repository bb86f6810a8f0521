"""One stitched image -> one piece: its rows, cut and encoded, with a receipt that says from what they were made."""
