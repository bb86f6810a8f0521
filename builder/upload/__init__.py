"""The verb `upload`: publishes a dataset folder on the Hub by one commit, and resumes after any end."""
