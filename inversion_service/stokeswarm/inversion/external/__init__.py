"""Running programs that are not ours: where they are, what they may use, and how they are ended.

- `executable` finds a program by its environment variable and records its digest;
- `limits` is what one run may use;
- `scratch` gives a server a private folder, and removes those of servers that died;
- `files` reads, writes and clears a folder without trusting what a program left in it;
- `warden` is the small process that starts the program and kills whatever it leaves;
- `wardens` is the server's end of the talk with it;
- `strays` finds what outlived a warden;
- `run` says what became of a code, and `trace` writes that down for who measures;
- `runner` puts them together: a `Place` per slot, which gives a `Run` for everything that was started.

Nothing here knows what the programs compute.
"""
