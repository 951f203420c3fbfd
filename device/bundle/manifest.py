"""What a bundle says of itself: its parts, their digests, and where its outputs were measured."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

KIND = "edgedigits bundle"
SCHEMA_VERSION = 1
LONGEST = 200  # characters of a text that is shown


@dataclass(frozen=True)
class Part:
    """One part: its name, its size, and its SHA-256 in hexadecimal."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Maker:
    """Where outputs were computed.

    Attributes:
        versions: of edgedigits and the packages that compute. host: machine, system, processor, …
    """

    versions: dict[str, str]
    host: dict[str, str]


@dataclass(frozen=True)
class Choice:
    """How the golden pictures were chosen.

    Attributes:
        data, split, data_digest: what they were chosen from. rule: in words.
    """

    data: str
    split: str
    data_digest: str
    rule: str


@dataclass(frozen=True)
class Manifest:
    """The first part of every bundle.

    Attributes:
        name: what the model is known by. parts: all parts but this one and the signature.
        golden: how the golden pictures were chosen. made: where the expected outputs come from.
    """

    name: str
    parts: tuple[Part, ...]
    golden: Choice
    made: Maker

    def to_bytes(self) -> bytes:
        """As the JSON text that goes into the bundle."""
        document = {
            "schema_version": SCHEMA_VERSION,
            "kind": KIND,
            "name": self.name,
            "parts": [asdict(part) for part in self.parts],
            "golden": asdict(self.golden),
            "made": asdict(self.made),
        }
        return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()

    @staticmethod
    def from_bytes(text: bytes) -> Manifest:
        """The reverse of :meth:`to_bytes`.

        Raises:
            ValueError: it is something else, or of another schema version.
        """
        try:
            return _manifest(json.loads(text))
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError("its manifest is none") from error


def part_of(name: str, content: bytes) -> Part:
    """The manifest's entry for a part."""
    return Part(name, len(content), hashlib.sha256(content).hexdigest())


def _manifest(document: dict[str, Any]) -> Manifest:
    if document["kind"] != KIND:
        raise ValueError("its manifest is none")
    if document["schema_version"] != SCHEMA_VERSION:
        raise ValueError(
            f"made for another version of edgedigits: schema version "
            f"{shown_text(document['schema_version'])}, this one reads {SCHEMA_VERSION}"
        )
    golden, made = document["golden"], document["made"]
    return Manifest(
        name=shown_text(document["name"]),
        parts=tuple(
            Part(str(part["name"]), int(part["bytes"]), str(part["sha256"]))
            for part in document["parts"]
        ),
        golden=Choice(
            **{key: shown_text(golden[key]) for key in ("data", "split", "data_digest", "rule")}
        ),
        made=Maker(versions=_texts(made["versions"]), host=_texts(made["host"])),
    )


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    return {shown_text(key): shown_text(value) for key, value in values.items()}


def shown_text(value: object) -> str:
    """A text that a terminal may show: it comes from a file that may be hostile."""
    return "".join(c if c.isprintable() else "?" for c in str(value))[:LONGEST]
