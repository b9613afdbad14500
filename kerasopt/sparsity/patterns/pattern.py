"""What every pattern is."""

from kerasopt.axis import Axis, Choices
from kerasopt.graph import KernelLayout
from kerasopt.sparsity.patterns.grouping import Grouping
from kerasopt.sparsity.scopes import Scope


class Pattern(Axis):
    """Cuts a weight into groups that are pruned as one.

    Attributes:
        alias: String, the name by which `patterns.get` finds it.
        needs: String, the axes that a weight must have for it, for errors.
    """

    alias: str
    needs = ""

    def applies(self, shape: tuple[int, ...], layout: KernelLayout) -> bool:
        """Whether a weight has the axes that the pattern is about."""
        return True

    def check(self, path: str, shape: tuple[int, ...], layout: KernelLayout) -> None:
        """Refuses a weight that cannot be cut into these groups.

        Args:
            path: String, the path of the weight, such as `"conv/kernel"`.
            shape: Its shape.
            layout: Its `KernelLayout`.

        Raises:
            ValueError: If the pattern does not apply to it, or is larger than it.
        """
        if not self.applies(shape, layout):
            raise ValueError(self._refusal(path, shape, f"has no {self.needs}"))

    def check_sparsity(self, final: float, scope: Scope) -> None:
        """Refuses a final sparsity, or a scope, that the pattern cannot have.

        Raises:
            ValueError: If the pattern prescribes another.
        """

    def grouping(self, shape: tuple[int, ...], layout: KernelLayout) -> Grouping:
        """Returns how a weight is cut that the pattern applies to."""
        raise TypeError(f"{type(self).__name__} must define `grouping`.")

    def _refusal(self, path, shape, reason):
        return (
            f"Pattern '{self.alias}' does not fit '{path}' of shape {tuple(shape)}, which "
            f"{reason}. Leave its layer out with the rule (layer, None), or choose another "
            f"pattern. Received: pattern='{self.alias}'"
        )


PATTERNS = Choices("pattern", Pattern, "kerasopt.sparsity")
