"""Figures of a result: maps at chosen depths, one pixel with its fit, and a comparison with a known truth.

Colour says what a number means: temperature and field on perceptually even scales, velocity red where it
recedes and blue where it approaches with white at rest, inclination diverging about 90° (the polarities),
azimuth on a circular scale on which 0° and 180° are the same. A pixel without a result is hatched grey, never
a colour. Everything is drawn with matplotlib's Agg canvas, which needs no display and no global state.
"""

from stokeswarm.client.plots.maps import plot_comparison, plot_maps
from stokeswarm.client.plots.pixel import plot_pixel

__all__ = ["plot_maps", "plot_pixel", "plot_comparison"]
