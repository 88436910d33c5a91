"""Typed access to a TOML table: every key is either used or an error that names the nearest one."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any

from stokeswarm.contract.errors import PlanError


class Table:
    """One table of a plan file; keys are taken from it until none is left.

    Parameters
    ----------
    content : mapping
        As tomllib returns it.
    where : str
        File and table for messages.
    """

    def __init__(self, content: Mapping[str, Any], where: str) -> None:
        self._content = dict(content)
        self._asked: list[str] = []
        self.where = where

    def __contains__(self, key: str) -> bool:
        return key in self._content

    def take(self, key: str, default: Any = None) -> Any:
        """A key's value as it is."""
        self._asked.append(key)
        return self._content.pop(key, default)

    def text(self, key: str, default: str | None = None) -> str:
        """A text; without default it must be there."""
        value = self._required(key, default)
        if not isinstance(value, str):
            raise self._wrong(key, "a text", value)
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A finite number; without default it must be there."""
        value = self._required(key, default)
        if not _is_number(value):
            raise self._wrong(key, "a number", value)
        return float(value)

    def whole(self, key: str, default: int | None = None) -> int:
        """A whole number; without default it must be there."""
        value = self._required(key, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong(key, "a whole number", value)
        return value

    def flag(self, key: str, default: bool = False) -> bool:
        """True or false."""
        value = self.take(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false", value)
        return value

    def numbers(self, key: str, count: int = 0) -> tuple[float, ...]:
        """A list of finite numbers, empty where absent; `count` > 0 fixes its length."""
        value = self.take(key, ())
        if not isinstance(value, Sequence) or isinstance(value, str) or not all(map(_is_number, value)):
            raise self._wrong(key, "a list of numbers", value)
        if count and value and len(value) != count:
            raise self._wrong(key, f"{count} numbers", value)
        return tuple(float(item) for item in value)

    def wholes(self, key: str) -> tuple[int, ...]:
        """A list of whole numbers, empty where absent."""
        value = self.take(key, ())
        if not isinstance(value, list | tuple) or any(
            isinstance(item, bool) or not isinstance(item, int) for item in value
        ):
            raise self._wrong(key, "a list of whole numbers", value)
        return tuple(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts, empty where absent."""
        value = self.take(key, ())
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            raise self._wrong(key, "a list of texts", value)
        return tuple(value)

    def table(self, key: str) -> Table | None:
        """A sub-table ``[key]``, None where absent."""
        value = self.take(key)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise self._wrong(key, f"a table [{key}]", value)
        return Table(value, f"{self.where} [{key}]")

    def tables(self, key: str) -> list[Table]:
        """The tables of a list ``[[key]]``."""
        value = self.take(key, ())
        if not isinstance(value, list | tuple) or not all(isinstance(item, Mapping) for item in value):
            raise self._wrong(key, f"tables [[{key}]]", value)
        return [Table(item, f"{self.where} [[{key}]] {i}") for i, item in enumerate(value, start=1)]

    def rest(self) -> dict[str, Any]:
        """Whatever is left, for tables whose keys are data (limits, abundances)."""
        content, self._content = self._content, {}
        return content

    def finish(self) -> None:
        """Refuse keys that nobody asked for.

        Raises
        ------
        PlanError
            Names the key and the nearest one that exists.
        """
        for key in self._content:
            near = difflib.get_close_matches(key, self._asked, n=1)
            hint = (
                f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(set(self._asked)))}"
            )
            raise PlanError(f"{self.where}: unknown key {key!r}; {hint}")

    def missing(self, *keys: str, hint: str = "") -> PlanError:
        """The error for absent keys; a key that looks like one of them is named."""
        near = [match for key in keys for match in difflib.get_close_matches(key, self._content, n=1)]
        typed = f"; unknown key {near[0]!r} looks like it" if near else ""
        return self.error(" or ".join(keys), f"missing{typed}{'; ' if hint else ''}{hint}")

    def error(self, key: str, reason: str) -> PlanError:
        """The error that names a key."""
        return PlanError(f"{self.where}: {key}: {reason}")

    def _required(self, key: str, default: Any) -> Any:
        value = self.take(key, default)
        if value is None:
            raise self.missing(key)
        return value

    def _wrong(self, key: str, wanted: str, found: Any) -> PlanError:
        return self.error(key, f"expected {wanted}, found {found!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
