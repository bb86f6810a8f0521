"""The verb `upload`: a dataset folder to the Hub, by one commit, resumed."""
