"""The figure of the best widths under budgets."""

_LABELS = {"bytes": "weights (kB)", "mac_bits": "multiply-accumulates × bits (millions)"}
_UNITS = {"bytes": 1e3, "mac_bits": 1e6}


def draw(front, uniform, cost):
    """Draws widths as points of cost and error; returns the `matplotlib.axes.Axes`."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            'The figure is drawn by matplotlib. Install it with `pip install "kerasopt[plot]"`.'
        ) from error

    named = cost if isinstance(cost, str) else None
    unit = _UNITS.get(named, 1.0)
    _, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    axes.plot(*_points(front, unit), color="#0072B2", marker="o", markersize=4, label="best widths")
    costs, errors = _points(uniform, unit)
    axes.plot(costs, errors, "s", color="#D55E00", markersize=5, label="one width for all layers")
    for widths, *place in zip(uniform, costs, errors, strict=True):
        bits = next(iter(widths.bits.values()))
        axes.annotate(f"{bits} bits", place, xytext=(6, 4), textcoords="offset points")
    axes.set_yscale("log")
    axes.set_xlabel(_LABELS.get(named, "cost"))
    axes.set_ylabel("relative change of the outputs")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return axes


def _points(widths, unit):
    return [each.cost / unit for each in widths], [each.error for each in widths]
