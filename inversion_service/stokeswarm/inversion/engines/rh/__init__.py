"""RH (Uitenbroek 2001, ApJ 557, 389): profiles of non-LTE and LTE lines in plane-parallel atmospheres.

- `keywords` and `atoms` say what a plan may set in RH's input files, also for codes that contain RH;
- `settings` is what holds for all pixels of a request, `installation` what is there of RH;
- `air`, `lines` and `column` translate wavelengths, lines and atmospheres, `models` finds lines that a model
  atom would take away;
- `files` writes RH's input and decodes its output, `log` reads what it says of itself;
- `solver` runs ``rhf1d`` once per atmosphere and ``solveray`` once per ray;
- `observable` turns spectra into profiles, `synthesis` pixels into spectra; `engine` is what the server sees.

A plan's options are RH's keywords (``rh.NRAYS = "7"``), and two of the engine's own: ``rh.frame``, what the
atmospheres lie along (``line-of-sight``, as everywhere in the contract, or ``vertical``, as in RH's own model
files), and ``rh.air``, which air wavelengths are in (``edlen``, standard air, or ``iue``, as RH prints them).
Its atoms and molecules take the place of those of the same element in the background of the example that
ships with RH. Its lines are LTE lines of the background, except where an active model atom has them.
"""
