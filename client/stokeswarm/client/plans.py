"""Plans as a user of the library gets them: from a preset, a TOML file, or a SIR control file."""

from __future__ import annotations

from pathlib import Path

from stokeswarm.client.plan_files import as_project
from stokeswarm.client.project import Project


class Plan:
    """Where plans come from; what they are is `stokeswarm.contract.plan.Plan`."""

    @staticmethod
    def preset(name: str) -> Project:
        """A plan that ships with stokeswarm: ``reference``, ``assisted``, ``training``, ``second-reference``.

        Raises
        ------
        NotFoundError
            There is no such preset.
        """
        return as_project(name)

    @staticmethod
    def load(path: str | Path) -> Project:
        """A plan from a TOML file or a SIR control file (``.trol``).

        Raises
        ------
        NotFoundError
            There is no such file, or it names one that does not exist.
        InvalidArgumentError
            It is malformed; the message names the key or line.
        """
        return as_project(Path(path))
