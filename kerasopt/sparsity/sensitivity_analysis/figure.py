"""The figure of a sensitivity analysis."""

import numpy as np

# Eight distinguishable colours.
COLORS = (
    "#D55E00",
    "#0072B2",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#882255",
    "#000000",
)


def draw(curves):
    """Draws a `Sensitivity`, a line for each layer, and returns the `matplotlib.axes.Axes`."""
    try:
        from matplotlib import pyplot
        from matplotlib.ticker import PercentFormatter
    except ImportError as error:
        raise ImportError(
            'The figure is drawn by matplotlib. Install it with `pip install "kerasopt[plot]"`.'
        ) from error

    _, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    ranked = sorted(curves.scores, key=lambda path: -_mean_loss(curves, path))
    named, others = ranked[: len(COLORS)], ranked[len(COLORS) :]
    for path in others:
        axes.plot(*_line(curves, path), color="0.8", linewidth=1)
    for path, color in zip(named, COLORS, strict=False):
        axes.plot(*_line(curves, path), color=color, marker="o", markersize=4, label=path)
    if others:
        axes.plot([], [], color="0.8", linewidth=1, label=f"{len(others)} more")
    axes.axhline(curves.baseline, color="0.4", linewidth=1, linestyle=":", label="baseline")
    axes.set_xlabel("sparsity of one layer, all others unchanged")
    axes.set_ylabel(curves.metric)
    axes.xaxis.set_major_formatter(PercentFormatter(xmax=1))
    axes.spines[["top", "right"]].set_visible(False)
    title = "most sensitive first"
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, title=title)
    return axes


def _mean_loss(curves, path):
    return np.nan_to_num(curves.losses(path), nan=np.inf).mean()


def _line(curves, path):
    """Returns the points of a layer's line, from where the model is."""
    return [0.0, *curves.levels], [curves.baseline, *curves.scores[path]]
