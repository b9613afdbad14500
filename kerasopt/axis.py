"""The axes of techniques: small objects, each known by an alias."""

import importlib
import pkgutil
import re
import textwrap
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import keras

Choice = TypeVar("Choice")


class Axis:
    """A stateless choice along one axis of a technique."""

    def get_config(self) -> dict:
        return {}

    @classmethod
    def from_config(cls, config: dict):
        return cls(**config)

    def __repr__(self):
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


class Choices(Generic[Choice]):
    """The registry of the choices along one axis.

    To add a choice, write a class in the package of the axis and decorate it with
    `@CRITERIA.register("magnitude", l2={"order": 2})`. Then `CRITERIA.get("l2")` is
    `Magnitude(order=2)`.

    Args:
        argument: String, the name of the argument that takes a choice, for error messages.
        base: The class that all choices are instances of.

    Attributes:
        classes: Dict of registered classes by name.
        aliases: Dict of (class, arguments) by alias; `None` for an alias such as `"N:M"`, which
            stands for a `form`.
    """

    def __init__(self, argument: str, base: type[Choice]):
        self.argument = argument
        self.base = base
        self.classes: dict[str, Any] = {}
        self.aliases: dict[str, tuple[Any, Mapping[str, Any] | None]] = {}
        self._forms: list[tuple[re.Pattern, Any]] = []

    def register(
        self,
        *aliases: str,
        form: str | None = None,
        package: str = "kerasopt",
        name: str | None = None,
        **others: Mapping[str, Any],
    ) -> Callable[[type], type]:
        """Registers a class under its aliases and makes it serializable; a decorator.

        Args:
            *aliases: Strings. The first is the `alias` of the class.
            form: A regular expression of further aliases. Its groups are integers, the arguments of
                the class. Messages show the first of `aliases` in its place.
            package: As in `keras.saving.register_keras_serializable`.
            name: As there.
            **others: Further aliases, each with a dict of the arguments that it stands for.
        """

        def registered(choice: Any) -> type:
            keras.saving.register_keras_serializable(package, name)(choice)
            self.classes[choice.__name__] = choice
            self.aliases |= {alias: (choice, {} if form is None else None) for alias in aliases}
            self.aliases |= {alias: (choice, arguments) for alias, arguments in others.items()}
            if aliases:
                choice.alias = aliases[0]
            if form is not None:
                self._forms.append((re.compile(form), choice))
            return choice

        return registered

    def listed(self) -> list[tuple[Any, list[str]]]:
        """Returns the classes that have aliases, each with its aliases."""
        aliases: dict[Any, list[str]] = {}
        for alias, (choice, _) in self.aliases.items():
            aliases.setdefault(choice, []).append(alias)
        return list(aliases.items())

    def load(self, room: str) -> None:
        """Imports every module of a package, which registers its choices."""
        for module in pkgutil.iter_modules(importlib.import_module(room).__path__):
            importlib.import_module(f"{room}.{module.name}")

    def get(self, identifier: Any) -> Choice:
        """Returns the choice that an alias, a config or the object itself stands for.

        Raises:
            ValueError: If `identifier` stands for none.
        """
        if isinstance(identifier, dict):
            identifier = keras.saving.deserialize_keras_object(identifier)
        if isinstance(identifier, self.base):
            return identifier
        if isinstance(identifier, str):
            for form, choice in self._forms:
                if match := form.fullmatch(identifier):
                    return choice(*map(int, match.groups()))
            choice, arguments = self.aliases.get(identifier, (None, None))
            if arguments is not None:
                return choice(**arguments)
        room = ".".join([part for part in self.base.__module__.split(".") if part != "src"][:2])
        raise ValueError(
            f"`{self.argument}` must be a `{room}.{self.base.__name__}` or one of "
            f"{sorted(self.aliases)}. Received: {self.argument}={identifier!r}"
        )


def find_class(module: str, name: str, *axes: Choices) -> type:
    """Returns the choice of this name, as an attribute of a module.

    Raises:
        AttributeError: If no axis has one.
    """
    for axis in axes:
        if name in axis.classes:
            return axis.classes[name]
    raise AttributeError(f"Module '{module}' has no attribute '{name}'.")


def documents(**axes: Choices) -> Callable[[Any], Any]:
    """Puts the aliases of axes into a docstring, where a line is `{name}`; a decorator."""

    def documented(target: Any) -> Any:
        for name, axis in axes.items():
            aliases = ", ".join(f'`"{alias}"`' for alias in axis.aliases)
            (indent,) = re.findall(rf"^( *)\{{{name}\}}$", target.__doc__, re.MULTILINE)
            text = textwrap.fill(aliases, 80, initial_indent=indent, subsequent_indent=indent)
            target.__doc__ = target.__doc__.replace(f"{indent}{{{name}}}", text)
        return target

    return documented
