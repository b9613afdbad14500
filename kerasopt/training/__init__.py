"""The engine of `fit`: the clock, what is attached, terms of the loss, state, resuming."""
