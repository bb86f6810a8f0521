"""Reading bytes of named files where a dataset lies: a folder, a web server or the Hub. One kind of place a file."""
