"""Running many tasks: processes of this machine or a cluster, the log of a run, and what failed; nothing of images."""
