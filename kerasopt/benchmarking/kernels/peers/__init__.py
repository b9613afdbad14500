"""Other runtimes, one module each: prepared calls, or `None` if not installed."""
