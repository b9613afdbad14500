"""What `kerasopt.parametrization` makes of a layer, as far as the graph needs to know."""

import keras


def own_class(operation: keras.Operation) -> type:
    """Returns the class of a layer without what parametrizing it has made of that."""
    return getattr(type(operation), "_own_class", type(operation))


def slots_of(operation: keras.Operation) -> tuple[str, ...]:
    """Returns the slots of a layer that it reads through chains; none of a plain one."""
    # Of the class: a layer of the user's may have an attribute of that name.
    cls = type(operation)
    return getattr(cls, "slots", ()) if cls is not own_class(operation) else ()


def chain_name(slot: str) -> str:
    """Returns the attribute in which a layer has the chain of a slot."""
    return f"{slot}_chain"
