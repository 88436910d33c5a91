"""The command line, ``stokeswarm``: `stokeswarm --help` lists the commands."""

from stokeswarm.client.cli.app import main

__all__ = ["main"]
