"""The YAML of a policy file, read in one pass over libyaml's events, within bounds that hold before anything is made.

The loaders of PyYAML compose, resolve and construct recursively, and leave aliases to whoever walks the result: a file
of a few kilobytes can exhaust stack or memory. They also take ten times as long: 20,000 policies are a million events.
"""

from typing import Any

import yaml

from schemas.errors import quoted

MOST_DEPTH = 64
"""Mappings and lists in each other. The deepest place of a policy file is at 6."""
MOST_VALUES = 2_000_000
"""Values once aliases and merge keys are written out: 20,000 policies of nine full clocks each have 1.8 million."""
MOST_NUMBER = 64
"""Characters of a number or date. Python turns longer digits into a number in quadratic time, or not at all."""
_MOST_TAG_DIRECTIVES = 64
"""libyaml compares each with every other one: a file full of them would take it minutes."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_KINDS = {_TAG + kind: kind for kind in ("str", "int", "float", "bool", "null", "timestamp")}
_CONTAINERS = {None, "!", _TAG + "map", _TAG + "seq"}
_MERGE = object()
_NO_KEY = object()
_OPEN = object()


class NotYaml(ValueError):
    """A text that is no YAML document of plain data within bounds; `line` (from 1) where that is known."""

    def __init__(self, line: int | None, reason: str) -> None:
        super().__init__(reason)
        self.line = line


class _Frame:
    """A mapping or list that is not at its end. `size` counts the
    values of the mappings and lists in it, aliases written out."""

    __slots__ = ("anchor", "content", "key", "key_line", "line", "lines", "merged", "size")

    def __init__(self, content: Any, line: int, anchor: str | None) -> None:
        self.content = content
        self.line = line
        self.anchor = anchor
        self.lines: Any = {} if isinstance(content, dict) else []
        self.key: Any = _NO_KEY
        self.key_line = 0
        self.merged: list[Any] = []
        self.size = 0


class Document:
    """The one document of a YAML `text`. Raises `NotYaml`.

    `content` is None where there is none, and `line` the line it begins in. `lines` gives the lines of the entries of
    every mapping and list, by the `id` of that. `repeated` holds the keys given twice in one mapping, of which the last
    counts: place, line, and first line.
    """

    def __init__(self, text: str) -> None:
        self.content: Any = None
        self.line = 1
        self.lines: dict[int, Any] = {}
        self.repeated: list[tuple[tuple[Any, ...], int, int]] = []
        self._anchors: dict[str, tuple[Any, int, int]] = {}
        self._stack: list[_Frame] = []
        self._top = _Frame([], 1, None)
        if text.count("%TAG") > _MOST_TAG_DIRECTIVES:
            raise NotYaml(None, f"more than {_MOST_TAG_DIRECTIVES} %TAG directives")
        try:
            self._read(_Loader(text).get_event)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
            raise NotYaml(mark.line + 1 if mark else None, problem) from None
        if self._top.content:
            self.content, self.line = self._top.content[0], self._top.lines[0]

    def _read(self, get: Any) -> None:
        """Takes events to the end. Two of three are scalars: what they need stands here, not in calls."""
        scalar, known, stack = yaml.ScalarEvent, dict[str, Any](), self._stack
        documents = 0
        while True:
            event = get()
            kind = event.__class__
            if kind is scalar:
                word, line = event.value, event.start_mark.line + 1
                frame = stack[-1] if stack else self._top
                content, key = frame.content, frame.key
                is_key = key is _NO_KEY and content.__class__ is dict
                if event.tag is not None:
                    value = _tagged(event.tag, word, line)
                elif not event.implicit[0]:
                    value = word
                elif word in known:
                    value = known[word]
                else:
                    value = known[word] = _plain(word, line)
                if value is _MERGE and not is_key:
                    value = word
                if event.anchor is not None:
                    self._name(event.anchor, word if value is _MERGE else value, 1, line)
                if is_key:
                    frame.key, frame.key_line = value, line
                elif key is _NO_KEY:
                    content.append(value)
                    frame.lines.append(line)
                elif key is _MERGE or key in content:
                    self._put(value, line, 1)
                else:
                    content[key] = value
                    frame.lines[key] = frame.key_line
                    frame.key = _NO_KEY
            elif kind is yaml.MappingStartEvent:
                self._begin(event, {})
            elif kind is yaml.SequenceStartEvent:
                self._begin(event, [])
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                self._end()
            elif kind is yaml.AliasEvent:
                self._alias(event)
            elif kind is yaml.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    raise NotYaml(event.start_mark.line + 1, "a second document begins here")
            elif kind is yaml.StreamEndEvent:
                return

    def _begin(self, event: Any, content: Any) -> None:
        line = event.start_mark.line + 1
        if event.tag not in _CONTAINERS:
            raise NotYaml(line, _unknown(event.tag))
        if len(self._stack) == MOST_DEPTH:
            raise NotYaml(line, f"more than {MOST_DEPTH} mappings and lists in each other")
        if event.anchor is not None:
            self._name(event.anchor, _OPEN, 0, line)
        self._stack.append(_Frame(content, line, event.anchor))

    def _end(self) -> None:
        frame = self._stack.pop()
        content = self._merged(frame) if frame.merged else frame.content
        self.lines[id(content)] = frame.lines
        size = frame.size + len(content)
        if frame.anchor is not None:
            self._anchors[frame.anchor] = content, size, frame.line
        self._put(content, frame.line, size)

    def _alias(self, event: Any) -> None:
        name, line = event.anchor, event.start_mark.line + 1
        if name not in self._anchors:
            raise NotYaml(line, f"found undefined alias {quoted(name)}")
        value, size, _ = self._anchors[name]
        if value is _OPEN:
            raise NotYaml(line, f"{quoted(name)} contains itself")
        self._put(value, line, size)

    def _name(self, anchor: str, value: Any, size: int, line: int) -> None:
        if anchor in self._anchors:
            raise NotYaml(line, f"anchor {quoted(anchor)} given twice, first in line {self._anchors[anchor][2]}")
        self._anchors[anchor] = value, size, line

    def _put(self, value: Any, line: int, size: int) -> None:
        """Puts what has come to its end, or an alias, where it belongs."""
        frame = self._stack[-1] if self._stack else self._top
        content, key = frame.content, frame.key
        if content.__class__ is list:
            content.append(value)
            frame.lines.append(line)
        elif key is _NO_KEY:
            if value.__class__ in (dict, list):
                raise NotYaml(line, "a key must be plain text")
            frame.key, frame.key_line = value, line
        else:
            frame.key = _NO_KEY
            if key in frame.lines:
                shown = "<<" if key is _MERGE else key
                self.repeated.append((self._place(shown), frame.key_line, frame.lines[key]))
            if key is _MERGE:
                frame.merged.append((value, line))
            else:
                content[key] = value
            frame.lines[key] = frame.key_line
        frame.size += size
        if frame.size > MOST_VALUES:
            raise NotYaml(line, f"more than {MOST_VALUES:,} values once aliases are written out")

    def _place(self, key: object) -> tuple[Any, ...]:
        """Where in the document a key of the mapping at hand is."""
        around = (len(frame.content) if frame.key is _NO_KEY else frame.key for frame in self._stack[:-1])
        return (*("<<" if part is _MERGE else part for part in around), key)

    def _merged(self, frame: _Frame) -> dict[Any, Any]:
        """A mapping after what it merges in: of a list the first that has a key counts, and before all the
        mapping itself."""
        content: dict[Any, Any] = {}
        lines: dict[Any, int] = {}
        for value, line in frame.merged:
            for mapping in reversed(value) if value.__class__ is list else (value,):
                if mapping.__class__ is not dict:
                    raise NotYaml(line, "<< takes a mapping or a list of mappings")
                content.update(mapping)
                lines.update(self.lines[id(mapping)])
        del frame.lines[_MERGE]
        frame.lines = lines | frame.lines
        content.update(frame.content)
        return content


def _plain(word: str, line: int) -> Any:
    """What a scalar without quotes or tag stands for, as YAML 1.1 has it."""
    tag = _RESOLVER.resolve(yaml.ScalarNode, word, (True, False))
    if tag == _TAG + "merge":
        return _MERGE
    kind = _KINDS.get(tag, "str")
    return word if kind == "str" else _constructed(kind, word, line)


def _tagged(tag: str, word: str, line: int) -> Any:
    if tag == "!":
        return word
    kind = _KINDS.get(tag)
    if kind is None:
        raise NotYaml(line, _unknown(tag))
    if kind == "str":
        return word
    plain = _KINDS.get(_RESOLVER.resolve(yaml.ScalarNode, word, (True, False)))
    if plain != kind and (kind, plain) != ("float", "int"):
        raise NotYaml(line, f"{quoted(word)} is no !!{kind}")
    return _constructed(kind, word, line)


def _constructed(kind: str, word: str, line: int) -> Any:
    if len(word) > MOST_NUMBER:
        raise NotYaml(line, f"a number or date has at most {MOST_NUMBER} characters, this has {len(word):,}")
    tag = _TAG + kind
    try:
        return _CONSTRUCTOR.yaml_constructors[tag](_CONSTRUCTOR, yaml.ScalarNode(tag, word))
    except (ValueError, OverflowError):
        what = f"there is no {word}" if kind == "timestamp" else f"{word} is no number"
        raise NotYaml(line, what) from None


def _unknown(tag: str) -> str:
    return f"the tag {quoted(tag)} is not known here; leave it out"


_RESOLVER: Any = yaml.resolver.Resolver()
_CONSTRUCTOR: Any = yaml.constructor.SafeConstructor()
