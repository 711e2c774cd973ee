"""Weather as the switch and the proxies get it: decoded, and given to links that have dice of their own.

Apart from ``switch``, because it loads ``nemesis`` and the seed tree, which takes longer than making a network: a
switch loads it after it was forked, while the nodes are starting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, TypeVar

import msgspec

from harness.cluster.local.errors import LocalError
from harness.cluster.local.messages import SetWeather, WeatherOn
from harness.seeds import SeedTree
from nemesis.ground import Link, Weather
from nemesis.passage import Passage

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Weather)


class UnderSky(Protocol):
    """A link that weather can come over."""

    passage: Passage | None

    def change(self, weather: Weather) -> None:
        """Let the weather be so from now on."""


_UnderSky = TypeVar("_UnderSky", bound=UnderSky)


def told(weather: Mapping[Link, Weather]) -> SetWeather:
    """Return the request for a weather: links that share one are told of it together."""
    alike: dict[bytes, list[tuple[str, str]]] = {}
    for link, each in sorted(weather.items()):
        alike.setdefault(_encoder.encode(each), []).append((link.source, link.destination))
    return SetWeather(tuple(WeatherOn(each, tuple(links)) for each, links in alike.items()))


def _any(weather: Weather) -> None:
    """Refuse no weather."""


def apply(
    request: SetWeather,
    links: Mapping[tuple[str, str], _UnderSky],
    seed: int,
    refuse: Callable[[Weather], None] = _any,
) -> None:
    """Let weather be as it is asked for; nothing is changed if any of it makes no sense. Raises LocalError.

    ``refuse`` raises LocalError for a weather that these links cannot have. A link's dice are drawn from its own stream
    of the run's seeds, from its first weather on: what one link carries decides nothing on another.
    """
    changes = [(_decoded(on.weather), on.links) for on in request.weathers]
    check(links, (link for _, named in changes for link in named))
    for weather, _ in changes:
        refuse(weather)
    tree = SeedTree(seed)
    for weather, named in changes:
        for source, destination in named:
            link = links[source, destination]
            if link.passage is None:
                link.passage = Passage(tree.stream(f"local/links/{source}/{destination}").below)
            link.change(weather)


def check(links: Mapping[tuple[str, str], object], named: Iterable[tuple[str, str]]) -> None:
    """Raise LocalError if there is no such link."""
    unknown = sorted(set(named) - links.keys())
    if unknown:
        raise LocalError(f"no link between nodes: {unknown}")


def _decoded(data: bytes) -> Weather:
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LocalError(f"malformed weather: {error}") from error
