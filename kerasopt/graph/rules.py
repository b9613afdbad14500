"""Ordered rules that say which layers a technique applies to, and how."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import keras

Selector = str | type | Callable[[keras.Layer], bool]


@dataclass(frozen=True)
class Rule:
    """A selector of layers and the argument for the layers it matches.

    Args:
        selector: A glob on the layer's name or its path (`"block1_*"`, `"backbone/*"`), a
            layer class, or a function of the layer that returns a bool.
        argument: Replaces the main argument of the callback for these layers; `None` skips
            them.

    Raises:
        TypeError: If `selector` is none of these.
    """

    selector: Selector
    argument: Any

    def __post_init__(self) -> None:
        if not isinstance(self.selector, (str, type)) and not callable(self.selector):
            raise TypeError(
                "The selector of a rule must be a glob on layer names or paths, a layer class, "
                "or a function of the layer. "
                f"Received: selector={self.selector!r} (of type {type(self.selector).__name__})"
            )

    def matches(self, path: str, layer: keras.Layer) -> bool:
        """Whether the rule applies to `layer`, which is found at `path`."""
        if isinstance(self.selector, str):
            return fnmatchcase(layer.name, self.selector) or fnmatchcase(path, self.selector)
        if isinstance(self.selector, type):
            return isinstance(layer, self.selector)
        return bool(self.selector(layer))

    def __str__(self) -> str:
        name = getattr(self.selector, "__name__", None)
        return f"({name or repr(self.selector)}, {self.argument!r})"


class Selection(NamedTuple):
    """A selected layer: its path, the layer, and the argument that holds for it."""

    path: str
    layer: keras.Layer
    argument: Any


def select(
    layers: Iterable[tuple[str, keras.Layer]],
    rules: Sequence[Rule | tuple[Selector, Any]] = (),
    default: Any = None,
    eligible: Callable[[keras.Layer], bool] | None = None,
) -> list[Selection]:
    """Applies ordered rules to layers: the first rule that matches a layer decides.

    ```python
    rules = [("classifier", None), (keras.layers.DepthwiseConv2D, 0.5)]
    for path, layer, sparsity in select(kerasopt.graph.layers(model), rules, default=0.8):
        print(f"{path}: {sparsity:.0%} zeros")
    ```

    Args:
        layers: Pairs of path and layer, as `kerasopt.graph.layers` lists them.
        rules: `Rule` objects or pairs of a selector and an argument.
        default: The argument for layers that no rule matches; `None` skips them.
        eligible: Restricts the default to the layers for which this function is true. Rules
            are not restricted by it. Without it the default holds for every layer.

    Returns:
        List of `Selection`, without the skipped layers, in the order of `layers`.

    Raises:
        TypeError: If a rule is neither a `Rule` nor a pair, or has no usable selector.

    Warns:
        UserWarning: For each rule that decided nothing.
    """
    ordered = parse_rules(rules)
    decided = [0] * len(ordered)
    matched = [0] * len(ordered)
    selections = []
    for path, layer in layers:
        matching = [i for i, rule in enumerate(ordered) if rule.matches(path, layer)]
        for i in matching:
            matched[i] += 1
        if matching:
            decided[matching[0]] += 1
            argument = ordered[matching[0]].argument
        else:
            argument = default if eligible is None or eligible(layer) else None
        if argument is not None:
            selections.append(Selection(path, layer, argument))
    for rule, matches, decisions in zip(ordered, matched, decided, strict=True):
        if not decisions:
            _warn_without_effect(rule, matches)
    return selections


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


def _warn_without_effect(rule: Rule, matches: int) -> None:
    reason = (
        f"the {matches} layers it matches are all taken by earlier rules"
        if matches
        else "it matches no layer that can be selected here; compare it with the names and paths "
        "that `kerasopt.graph.layers(model)` lists (of a nested model, `name/*`)"
    )
    warnings.warn(f"The rule {rule} has no effect: {reason}.", stacklevel=3)
