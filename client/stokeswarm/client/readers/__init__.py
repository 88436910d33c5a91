"""Readers of observations: `read` recognises the format, reads it, and says what it recognised."""

from stokeswarm.client.readers.observation import Observation
from stokeswarm.client.readers.registry import read
from stokeswarm.client.sources import Identity, ReadError

__all__ = ["Identity", "Observation", "ReadError", "read"]
