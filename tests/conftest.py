"""What every test relies on."""

import signal

# Shells and nohup have work in the background ignore interrupts, and every process that a test starts would too.
signal.signal(signal.SIGINT, signal.default_int_handler)
