"""The base class of patterns."""

from kerasopt.axis import Axis, Choices
from kerasopt.graph import KernelLayout
from kerasopt.sparsity.patterns.grouping import Grouping
from kerasopt.sparsity.scopes import Scope


class Pattern(Axis):
    """Divides a weight into groups that are pruned together.

    Attributes:
        alias: String, the name by which `patterns.get` finds it.
        needs: String, the axes that a weight must have, for error messages.
    """

    alias: str
    needs = ""

    def applies(self, shape: tuple[int, ...], layout: KernelLayout) -> bool:
        """Whether a weight has the axes that the pattern needs."""
        return True

    def check(self, path: str, shape: tuple[int, ...], layout: KernelLayout) -> None:
        """Raises if a weight cannot be divided into these groups.

        Args:
            path: String, the path of the weight, such as `"conv/kernel"`.
            shape: Its shape.
            layout: Its `KernelLayout`.

        Raises:
            ValueError: If the pattern does not apply to the weight, or is
                larger than it.
        """
        if not self.applies(shape, layout):
            raise ValueError(self._refusal(path, shape, f"has no {self.needs}"))

    def check_sparsity(self, final: float, scope: Scope) -> None:
        """Raises if the pattern does not support a final sparsity, or a scope.

        Raises:
            ValueError: If the pattern requires another one.
        """

    def grouping(self, shape: tuple[int, ...], layout: KernelLayout) -> Grouping:
        """Returns the grouping of a weight that the pattern applies to."""
        raise TypeError(f"{type(self).__name__} must define `grouping`.")

    def _refusal(self, path, shape, reason):
        return (
            f"Pattern '{self.alias}' does not fit '{path}' of shape {tuple(shape)}, which "
            f"{reason}. Exclude its layer with the rule (layer, None), or choose another pattern. "
            f"Received: pattern='{self.alias}'"
        )


PATTERNS = Choices("pattern", Pattern)
