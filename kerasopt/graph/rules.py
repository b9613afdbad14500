"""Rules: a selector of layers, or of weights, and what holds for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import keras

Selector = str | type | Callable[[keras.Layer], bool]


@dataclass(frozen=True)
class Rule:
    """A selector of layers and the argument for the layers it matches.

    A layer stands for the weights that compressing it means: its kernels, or its table of
    embeddings. The path of a weight, `"dense/bias"` or `"*/lstm/cell/recurrent_kernel"`, whose
    last part is the attribute name of a weight, names that weight alone.

    Args:
        selector: A glob on the layer's name or its path (`"block1_*"`, `"backbone/*"`), the path
            of a weight, a layer class, or a function of the layer that returns a bool.
        argument: Replaces the main argument of the callback for these layers; `None` skips
            them.

    Raises:
        TypeError: If `selector` is none of these.
    """

    selector: Selector
    argument: Any

    def __post_init__(self) -> None:
        layer = isinstance(self.selector, keras.Layer)  # which can be called, but not on a layer
        if layer or not (isinstance(self.selector, (str, type)) or callable(self.selector)):
            raise TypeError(
                "The selector of a rule must be a glob on layer names or paths, a layer class, "
                "or a function of the layer (of one layer, its name). "
                f"Received: selector={self.selector!r} (of type {type(self.selector).__name__})"
            )

    def matches(self, path: str, layer: keras.Layer) -> bool:
        """Whether the rule applies to `layer`, which is found at `path`."""
        if isinstance(self.selector, str):
            return fnmatchcase(layer.name, self.selector) or fnmatchcase(path, self.selector)
        if isinstance(self.selector, type):
            return isinstance(layer, self.selector)
        return bool(self.selector(layer))

    def names(self, path: str, layer: keras.Layer, weight: str) -> bool:
        """Whether the rule names this weight of `layer`, not the layer."""
        if not isinstance(self.selector, str):
            return False
        owner, slash, last = self.selector.rpartition("/")
        named = bool(slash) and last == weight
        return named and (fnmatchcase(layer.name, owner) or fnmatchcase(path, owner))

    @property
    def last_part(self) -> str:
        """What may be the name of a weight."""
        return self.selector.rpartition("/")[2] if isinstance(self.selector, str) else ""

    def __str__(self) -> str:
        # Not the argument: callbacks replace what the user wrote by what they make of it.
        return f"for {getattr(self.selector, '__name__', None) or repr(self.selector)}"


def parse_rules(rules: Sequence[Rule | tuple[Selector, Any]]) -> list[Rule]:
    """Returns rules as `Rule` objects.

    Raises:
        TypeError: If `rules` is no list, a rule is neither a `Rule` nor a pair, or a selector is
            of no use.
    """
    if not isinstance(rules, (list, tuple)):
        raise TypeError(
            '`rules` must be a list of pairs of a selector and an argument, as [("conv*", 0.5)]. '
            f"Received: rules={rules!r}"
        )
    return [_as_rule(rule) for rule in rules]


def _as_rule(rule: Any) -> Rule:
    if isinstance(rule, Rule):
        return rule
    if isinstance(rule, (tuple, list)) and len(rule) == 2:
        return Rule(*rule)
    raise TypeError(
        'Each item of `rules` must be a pair of a selector and an argument, as ("conv*", 0.5). '
        f"Received: rules item {rule!r}"
    )
