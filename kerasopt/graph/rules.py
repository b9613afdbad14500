"""Rules: a selector of layers or weights, and an argument for them."""

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

    Selecting a layer selects its kernels, or its embedding table. The path of a weight,
    `"dense/bias"` or `"*/lstm/cell/recurrent_kernel"`, which ends in the attribute name of the
    weight, selects that weight only.

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
        layer = isinstance(self.selector, keras.Layer)  # callable, but not a predicate of layers
        if layer or not (isinstance(self.selector, (str, type)) or callable(self.selector)):
            raise TypeError(
                "The selector of a rule must be a glob on layer names or paths, a layer class, or "
                "a function of the layer. To select one layer, pass its name. Received: "
                f"selector={self.selector!r} (of type {type(self.selector).__name__})"
            )

    def matches(self, path: str, layer: keras.Layer) -> bool:
        """Whether the rule applies to `layer` at `path`."""
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
        """The last part of the path, which may be the name of a weight."""
        return self.selector.rpartition("/")[2] if isinstance(self.selector, str) else ""

    def __str__(self) -> str:
        # Without the argument: callbacks replace the user's argument by a resolved one.
        return f"for {getattr(self.selector, '__name__', None) or repr(self.selector)}"


def parse_rules(rules: Sequence[Rule | tuple[Selector, Any]]) -> list[Rule]:
    """Returns rules as `Rule` objects.

    Raises:
        TypeError: If `rules` is not a list, a rule is neither a `Rule` nor a pair, or a selector is
            invalid.
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
