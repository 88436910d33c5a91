"""DeSIRe (Ruiz Cobo et al. 2022, A&A 660, A37) as an engine: SIR's inversion with RH's non-LTE populations.

A request becomes the files that DeSIRe reads, in a folder two levels below the one that holds ``var``, and
what comes back is examined as SIR's is: the jobs are SIR's (`stokeswarm.inversion.engines.sir`), and this
package is what differs.

- `installation` finds the executable and its ``var`` folder;
- `options` is what a plan may say to DeSIRe alone, `keywords` what it may say to the RH inside;
- `models` chooses the model atoms, `levels` finds a line's levels in them, `lines` writes the line list;
- `control` writes the control file, `dialect` ties all of it to SIR's jobs;
- `reports` reads what DeSIRe says of its iterations and of RH's convergence;
- `units` knows the intensities of ``.spc`` files;
- `jobs` and `engine` are what the server sees.
"""
