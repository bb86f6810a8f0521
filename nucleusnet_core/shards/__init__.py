"""Reading rows of Parquet shards through `storage`: which bytes hold them, and the tables that they become."""
