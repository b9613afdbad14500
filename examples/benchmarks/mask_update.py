"""Time of one mask update on ResNet-50, for each scope.

All of it: reading the stored weights and the masks, scoring, choosing, writing the masks. Updates
are timed at the beginning of a schedule, when nothing is pruned yet, half-way and at its end, in
turns of the scopes. A figure is the median in milliseconds, with the quartiles.

    python examples/benchmarks/mask_update.py
"""

import argparse
import itertools
import time

import keras
import numpy as np
import results

import kerasopt as ko

SCOPES = ("layer", "global", "erk", "lamp")
# Sparsity before, and after.
UPDATES = {"first": (0.0, 0.1), "half-way": (0.5, 0.6), "last": (0.78, 0.8)}
COLUMNS = {
    "scope": ("Scope", ""),
    **{name: (f"{name}: {a:.0%} to {b:.0%} (ms)", ".0f") for name, (a, b) in UPDATES.items()},
}


def measure(targets, scope, criterion, before, after):
    """Returns the milliseconds of an update from one sparsity to another."""
    for mask in masks(targets):
        mask.assign(np.ones(mask.shape, bool))
    ko.sparsity.update_masks(targets, before, criterion, scope)
    start = time.perf_counter()
    ko.sparsity.update_masks(targets, after, criterion, scope)
    milliseconds = 1e3 * (time.perf_counter() - start)
    check(targets, after)
    return milliseconds


def masks(targets):
    return [weight.link.mask for target in targets for weight in target.weights]


def check(targets, sparsity):
    """Raises if the sparsity has not been reached."""
    zeros = sum(np.count_nonzero(~mask.numpy()) for mask in masks(targets))
    total = sum(target.size for target in targets)
    if abs(zeros - sparsity * total) > len(targets):
        raise RuntimeError(f"{zeros} of {total} weights are pruned instead of {sparsity:.0%}.")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--criterion", default="magnitude")
    parser.add_argument("--scopes", nargs="+", default=SCOPES, choices=SCOPES)
    results.add_output(parser, "mask_update")
    arguments = parser.parse_args()
    targets = ko.sparsity.attach_masks(keras.applications.ResNet50(weights=None))
    cells = list(itertools.product(arguments.scopes, UPDATES))
    times: dict[tuple[str, str], list[float]] = {cell: [] for cell in cells}
    for _ in range(arguments.rounds + 1):
        for scope, update in cells:
            spent = measure(targets, scope, arguments.criterion, *UPDATES[update])
            times[scope, update].append(spent)
    print(f"{sum(target.size for target in targets):,} weights in {len(targets)} kernels")
    rows = {
        scope: {"scope": f"`{scope}`"}
        | {name: np.percentile(times[scope, name][1:], (50, 25, 75)).tolist() for name in UPDATES}
        for scope in arguments.scopes
    }
    results.write(arguments.output, COLUMNS, rows)


if __name__ == "__main__":
    main()
