"""Selection of layers and weights by ordered rules."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NamedTuple

import keras

from kerasopt.graph.rules import Rule, Selector, parse_rules
from kerasopt.graph.weights import is_weight
from kerasopt.warning import warn

Layers = Iterable[tuple[str, keras.Layer]]
Rules = Sequence[Rule | tuple[Selector, Any]]


class Selection(NamedTuple):
    """A selected layer, with its path and argument."""

    path: str
    layer: keras.Layer
    argument: Any


class WeightSelection(NamedTuple):
    """Selected weights of a layer, with their attribute names."""

    path: str
    layer: keras.Layer
    argument: Any
    weights: tuple[str, ...]


def select(
    layers: Layers,
    rules: Rules = (),
    default: Any = None,
    eligible: Callable[[keras.Layer], bool] | None = None,
    frozen: Collection[int] = (),
) -> list[Selection]:
    """Applies ordered rules to layers: the first matching rule decides.

    ```python
    rules = [("classifier", None), (keras.layers.DepthwiseConv2D, 0.5)]
    for path, layer, sparsity in select(kerasopt.graph.layers(model), rules, default=0.8):
        print(f"{path}: {sparsity:.0%} zeros")
    ```

    Args:
        layers: Pairs of path and layer, as `kerasopt.graph.layers` lists them.
        rules: `Rule` objects or pairs of a selector and an argument.
        default: The argument for layers that no rule matches; `None` skips them.
        eligible: Function that restricts the default, but not rules, to the layers for which it is
            true. By default, all layers are eligible.
        frozen: Ids of layers that the default does not apply to either, from `frozen_layers`.

    Returns:
        List of `Selection`, without the skipped layers, in the order of `layers`.

    Raises:
        TypeError: If a rule is neither a `Rule` nor a pair, or has an invalid selector.
        ValueError: If a rule names a weight, not a layer.

    Warns:
        UserWarning: For each rule without effect, and if frozen layers are left out.
    """
    decisions = _Decisions(rules, default, eligible, frozen)
    selections = []
    for path, layer in layers:
        decisions.refuse_weights(path, layer)
        argument = decisions.of_layer(path, layer)
        if argument is not None:
            selections.append(Selection(path, layer, argument))
    decisions.warn(bool(selections))
    return selections


def select_weights(
    layers: Layers,
    weights: Callable[[keras.Layer], Sequence[str]],
    rules: Rules = (),
    default: Any = None,
    eligible: Callable[[keras.Layer], bool] | None = None,
    frozen: Collection[int] = (),
) -> list[WeightSelection]:
    """Like `select`, but rules may name weights: the first rule for a weight or its layer decides.

    Args:
        layers: As in `select`.
        weights: Function that returns the names of a layer's weights that are selected with it.
            Others are selected only if a rule names them.
        rules: As in `select`.
        default: As in `select`.
        eligible: As in `select`.
        frozen: As in `select`.

    Returns:
        List of `WeightSelection`, one for each layer and argument.
    """
    decisions = _Decisions(rules, default, eligible, frozen)
    selections: list[WeightSelection] = []
    for path, layer in layers:
        found: dict[int, WeightSelection] = {}
        for name, argument in decisions.of_weights(path, layer, tuple(weights(layer))):
            if argument is not None:
                before = found.get(id(argument), WeightSelection(path, layer, argument, ()))
                found[id(argument)] = before._replace(weights=(*before.weights, name))
        selections += found.values()
    decisions.warn(bool(selections))
    return selections


class _Decisions:
    """Applies ordered rules and records which of them had an effect."""

    def __init__(self, rules, default, eligible, frozen):
        self._rules = parse_rules(rules)
        self._default, self._eligible, self._frozen = default, eligible, frozen
        self._matched = [0] * len(self._rules)
        self._decided = [0] * len(self._rules)
        self._names: dict[str, None] = {}
        self._left: list[str] = []  # frozen layers that the default would apply to

    def of_layer(self, path, layer):
        """Returns the argument for a layer; `None` if it is skipped."""
        self._names |= dict.fromkeys((path, layer.name))
        return self._first([rule.matches(path, layer) for rule in self._rules], path, layer)

    def of_weights(self, path, layer, standing):
        """Yields (name, argument) for the default weights and those that rules name."""
        if standing:
            self._names |= dict.fromkeys((path, layer.name))
        matching = [rule.matches(path, layer) for rule in self._rules]
        named = [rule.last_part for rule in self._rules if rule.names(path, layer, rule.last_part)]
        others = [name for name in dict.fromkeys(named) if is_weight(layer, name)]
        for name in dict.fromkeys((*standing, *others)):
            naming = [rule.names(path, layer, name) for rule in self._rules]
            stands = name in standing
            applying = [n or (m and stands) for n, m in zip(naming, matching, strict=True)]
            yield name, self._first(applying, path, layer)

    def _first(self, applying, path, layer):
        numbers = [number for number, applies in enumerate(applying) if applies]
        for number in numbers:
            self._matched[number] += 1
        if numbers:
            self._decided[numbers[0]] += 1
            return self._rules[numbers[0]].argument
        if self._default is None or (self._eligible is not None and not self._eligible(layer)):
            return None
        if id(layer) in self._frozen:
            self._left.append(path)
            return None
        return self._default

    def refuse_weights(self, path, layer):
        """Raises `ValueError` if a rule names a weight of this layer."""
        for rule in self._rules:
            name = rule.last_part
            if rule.names(path, layer, name) and is_weight(layer, name):
                raise ValueError(
                    f"The rule {rule} names a weight, but only whole layers can be selected here: "
                    f"name the layer, {rule.selector[: -len(name) - 1]!r}. Received: rules with "
                    f"{rule.selector!r}"
                )

    def warn(self, selected: bool):
        for rule, matches, decisions in zip(self._rules, self._matched, self._decided, strict=True):
            # A final "*" is correct even if earlier rules name everything.
            if not decisions and not (matches and rule.selector == "*"):
                warn(f"The rule {rule} has no effect: {self._reason(rule, matches)}.")
        left = list(dict.fromkeys(self._left))
        if left and selected:
            warn(
                "Frozen layers (`trainable=False`) are left unchanged. Name them in `rules` to "
                f"select them, or with `None` to silence this warning. Received: {len(left)} such "
                f"layers, {left[:3]}",
            )

    def _reason(self, rule, matches):
        if matches:
            return f"earlier rules decide everything that it matches ({matches})"
        if isinstance(rule.selector, str):
            near = difflib.get_close_matches(rule.selector, self._names, n=3)
            if near:
                return (
                    f"nothing has that name or path; similar ones are {', '.join(map(repr, near))}"
                )
        return (
            "it matches nothing that can be selected here; `kerasopt.graph.layers(model)` lists "
            "names and paths (inside a nested model or layer, `name/*`)"
        )
