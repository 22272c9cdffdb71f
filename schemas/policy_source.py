"""A policy file as text: what it holds, and the line of everything in it, so that a fault is named where it stands."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, NamedTuple

import yaml

from schemas.errors import PolicyError

Place = tuple[int | str, ...]
"""Keys and list positions from the top of a file down to something in it."""


class Fault(NamedTuple):
    """Something in a policy file that is wrong."""

    line: int
    field: str
    reason: str

    @property
    def said(self) -> str:
        """Field and reason."""
        return f"{self.field}: {self.reason}" if self.field else self.reason


class _Loader(yaml.SafeLoader):
    """Plain data only. A date that no calendar has is an error of the file, with its line."""

    def construct_yaml_timestamp(self, node: yaml.ScalarNode) -> Any:
        try:
            return super().construct_yaml_timestamp(node)
        except ValueError:
            raise yaml.MarkedYAMLError(problem=f"there is no {node.value}", problem_mark=node.start_mark) from None


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_yaml_timestamp)


class PolicySource:
    """The YAML `text` of the file `name`.

    `content` is what it holds, `repeated` the keys given twice in one mapping (of which YAML readers silently take the
    last). Raises `PolicyError` where the text is no YAML mapping.
    """

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.text = text
        try:
            loader = _Loader(text)
            root = loader.get_single_node()
            self.repeated = [] if root is None else list(_repeated(root, (), set()))
            content = None if root is None else loader.construct_document(root)
        except yaml.YAMLError as error:
            raise PolicyError(f"{name}:{_complaint(error)}") from None
        if root is None or not isinstance(content, dict):
            raise PolicyError(f"{name}:1: a policy file is a mapping with version, calendars and policies")
        self.content: dict[Any, Any] = content
        self._root: yaml.Node = root

    def line(self, place: Place) -> int:
        """The line (from 1) of what is at this place; of the innermost thing around it, where nothing is."""
        return max((1, *list(self._way(place))[-1:]))

    def fault(self, place: Place, reason: str) -> Fault:
        """A fault at this place."""
        return Fault(self.line(place), _field(place), reason)

    def show(self, line: int, said: str) -> str:
        """One line for a reader, in the form that editors jump to."""
        return f"{self.name}:{line}: {said}"

    def _way(self, place: Place) -> Iterator[int]:
        """The lines of the things on the way to a place, as far as they are there."""
        node: yaml.Node | None = self._root
        for part in place:
            child: yaml.Node | None = None
            if isinstance(node, yaml.MappingNode):
                # Reading the content has put merged keys (<<) before a mapping's own: the last of a name counts.
                for key, value in node.value:
                    if str(key.value) == str(part):
                        line, child = key.start_mark.line + 1, value
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                child = node.value[part]
                line = child.start_mark.line + 1
            if child is None:
                return
            yield line
            node = child


def did_you_mean(word: object, known: list[str]) -> str:
    """`; did you mean ...?` where one of the known words is near, else an empty text."""
    by_fold = {name.casefold(): name for name in known}
    near = get_close_matches(str(word).casefold(), by_fold, n=1)
    return f"; did you mean {by_fold[near[0]]!r}?" if near else ""


def _field(place: Place) -> str:
    return ".".join(str(part) for part in place)


def _repeated(node: yaml.Node, place: Place, seen: set[int]) -> Iterator[Fault]:
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            yield from _repeated(item, (*place, i), seen)
    elif isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            word, line = str(key.value), key.start_mark.line + 1
            below = (*place, word)
            if word in first:
                yield Fault(line, _field(below), f"given twice, first in line {first[word]}")
            first.setdefault(word, line)
            yield from _repeated(value, below, seen)


def _complaint(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    line = f"{mark.line + 1}: " if mark else " "
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{line}not valid YAML: {problem}"
