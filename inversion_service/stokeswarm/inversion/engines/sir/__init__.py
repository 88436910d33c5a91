"""SIR (Ruiz Cobo & del Toro Iniesta 1992, ApJ 398, 375) as an engine: the installed program, driven safely.

A request becomes text files, a control file and one run a pixel; what comes back is believed only after it
was examined, because SIR's exit code is 0 whatever happened. What differs between SIR 2015, SIR 2017 and
their descendant DeSIRe stands in a dialect; the jobs are the same.
"""
