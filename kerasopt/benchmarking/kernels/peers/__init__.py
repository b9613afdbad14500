"""What others have, one module for each: ready calls, or `None` where it is not installed."""
