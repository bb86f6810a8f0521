"""From a dataset folder to a repository on the Hugging Face Hub."""
