"""Pruning as a technique."""

from kerasopt import graph
from kerasopt.sparsity.mask import Mask
from kerasopt.sparsity.pruning_run import PruningRun
from kerasopt.sparsity.recipe import make_recipe
from kerasopt.sparsity.sparsity_schedule import sparsity_schedule
from kerasopt.sparsity.summaries import MaskSummaries
from kerasopt.training.declaring import declaring_parts
from kerasopt.training.technique import Technique, register_technique


@register_technique
class PruningTechnique(Technique):
    arguments = {"pruning": sparsity_schedule}
    description = """\
pruning: A `kerasopt.schedules.Schedule` of the fraction of zeros, or a
    float in [0, 1). Defaults to `None`: not pruned."""
    options = {"scope": "layer", "criterion": "magnitude"}

    def links(self, layer, parts, declared):
        for path, part in parts:
            for name in graph.weight_names(part):
                yield path + name, Mask()

    def run(self, scope, criterion):
        return DeclaredPruning(make_recipe(0.0, scope, criterion))

    def summaries(self):
        return MaskSummaries()


class DeclaredPruning(PruningRun):
    """Prunes the layers that declare a sparsity."""

    def select(self, model):
        return [
            graph.WeightSelection(path, part, layer.pruning, graph.weight_names(part))
            for path, layer, part in declaring_parts(model)
            if layer.pruning is not None
        ]
