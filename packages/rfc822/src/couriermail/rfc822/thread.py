"""Threads: which message answers which, by References, and by subject where there are none.

Source: RFC 5256 3 and 5 (REFERENCES, ORDEREDSUBJECT), spec rfc822 4.24.

Work is linear but for sorting: whether a link would close a circle is answered from sets of
nodes that were ever connected, and by a walk of bounded length when that is not enough.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Final

    from couriermail.rfc822.headers import Headers

__all__ = ["Thread", "ThreadMessage", "thread_by_references", "thread_by_subject"]

_LONGEST_WALK = 1000  # levels up that are looked at for a circle; deeper links are not made


class ThreadMessage:
    """What threading has to know of a message.  Never changed.

    Attributes:
        key: what the caller knows it by, such as a number or a file name.
        number: its place in the mailbox; tells messages of one date apart.
        message_id: its identifier without brackets; empty when it has none, or several.
        references: identifiers of the messages it answers, oldest first.
        date: seconds since 1970; 0 when not known.
        subject: its base subject.
        is_reply: whether its subject said so.
    """

    __slots__ = ("date", "is_reply", "key", "message_id", "number", "references", "subject")

    def __init__(
        self,
        key: object,
        *,
        number: int,
        message_id: str = "",
        references: tuple[str, ...] = (),
        date: int = 0,
        subject: str = "",
        is_reply: bool = False,
    ) -> None:
        self.key: Final = key
        self.number: Final = number
        self.message_id: Final = message_id
        self.references: Final = references
        self.date: Final = date
        self.subject: Final = subject
        self.is_reply: Final = is_reply

    @classmethod
    def of_headers(
        cls, key: object, headers: Headers, *, number: int, received: int = 0
    ) -> ThreadMessage:
        """Reads the fields that count.

        Args:
            key: what the caller knows the message by.
            headers: its header.
            number: its place in the mailbox.
            received: when it arrived, for a message without a usable Date.
        """
        from couriermail.rfc822.dates import parse_date
        from couriermail.rfc822.msgid import parse_message_ids
        from couriermail.rfc822.subject import base_subject

        def ids(name: str) -> list[str]:
            field = headers.field(name)
            return [] if field is None else parse_message_ids(field.value)

        own = ids("message-id")
        # RFC 5256: the first identifier of In-Reply-To where there are no References
        references = ids("references") or ids("in-reply-to")[:1]
        date, subject = headers.field("date"), headers.field("subject")
        base = base_subject(subject.value if subject else "")
        return cls(
            key,
            number=number,
            message_id=own[0] if len(own) == 1 else "",
            references=tuple(references),
            date=(parse_date(date.value) if date else None) or received,
            subject=base.text,
            is_reply=base.is_reply or base.is_forward,
        )


class Thread:
    """A message and what answers it.

    Attributes:
        message: None for a message that is not there but holds others together.
        children: the answers, sorted by date.
    """

    __slots__ = ("children", "message")

    def __init__(self, message: ThreadMessage | None, children: Iterable[Thread] = ()) -> None:
        self.message = message
        self.children = list(children)

    def walk(self) -> Iterator[tuple[int, Thread]]:
        """This node and all below it with their depths, in the order they are read."""
        pending = [(0, self)]
        while pending:
            depth, thread = pending.pop()
            yield depth, thread
            pending.extend((depth + 1, child) for child in reversed(thread.children))

    def __repr__(self) -> str:
        key = None if self.message is None else self.message.key
        return f"Thread({key!r}, {self.children!r})"


class _Node:
    """A message identifier while threads are put together."""

    __slots__ = ("children", "group", "message", "parent")

    def __init__(self, message: ThreadMessage | None = None) -> None:
        self.message = message
        self.parent: _Node | None = None
        self.children: dict[_Node, None] = {}
        self.group: _Node = self  # union-find: nodes that were ever connected


def thread_by_references(messages: Iterable[ThreadMessage]) -> list[Thread]:
    """Threads by who refers to whom, then by subject (RFC 5256 3, REFERENCES).

    Args:
        messages: the messages of a mailbox, in its order.

    Returns:
        The threads, sorted by the date of their first messages.
    """
    nodes = _link(messages)
    roots = [thread for node in nodes if node.parent is None for thread in _prune(node)]
    roots.sort(key=_sort_key)
    merged = _merge_subjects(roots)
    for root in merged:
        for _, thread in root.walk():
            thread.children.sort(key=_sort_key)
    merged.sort(key=_sort_key)
    return merged


def thread_by_subject(messages: Iterable[ThreadMessage]) -> list[Thread]:
    """Threads of equal base subjects, flat (RFC 5256 3, ORDEREDSUBJECT)."""
    threads: dict[str, Thread] = {}
    for message in sorted(messages, key=lambda message: (message.date, message.number)):
        first = threads.get(message.subject)
        if first is None:
            threads[message.subject] = Thread(message)
        else:
            first.children.append(Thread(message))
    return list(threads.values())


def _link(messages: Iterable[ThreadMessage]) -> list[_Node]:
    """Step 1 of RFC 5256 3: nodes for all identifiers, linked by References."""
    by_id: dict[str, _Node] = {}
    nodes: list[_Node] = []

    def node_of(identifier: str) -> _Node:
        node = by_id.get(identifier)
        if node is None:
            node = by_id[identifier] = _Node()
            nodes.append(node)
        return node

    for message in messages:
        parent: _Node | None = None
        for identifier in message.references:
            child = node_of(identifier)
            if parent is not None and child.parent is None:
                _adopt(parent, child)
            parent = child
        own = node_of(message.message_id) if message.message_id else None
        if own is None or own.message is not None:  # no identifier, or one that is taken
            own = _Node()
            nodes.append(own)
        own.message = message
        # RFC 5256 3 (1)(B): what the message says of itself counts more than what others said
        if parent is None:
            _disown(own)
        elif not _is_above(own, parent):
            _disown(own)
            _adopt(parent, own)
    return nodes


def _adopt(parent: _Node, child: _Node) -> None:
    if _is_above(child, parent):
        return
    child.parent = parent
    parent.children[child] = None
    _find_group(child).group = _find_group(parent)


def _disown(child: _Node) -> None:
    if child.parent is not None:
        del child.parent.children[child]
        child.parent = None


def _is_above(upper: _Node, lower: _Node) -> bool:
    """True when a node is another, or above it; also when that would be too far to look."""
    if upper is lower:
        return True
    if not upper.children or _find_group(upper) is not _find_group(lower):
        return False
    node: _Node | None = lower
    for _ in range(_LONGEST_WALK):
        if node is None:
            return False
        if node is upper:
            return True
        node = node.parent
    return True


def _find_group(node: _Node) -> _Node:
    while node.group is not node:
        node.group = node.group.group  # path halving
        node = node.group
    return node


def _prune(root: _Node) -> list[Thread]:
    """Step 3: nodes without a message go; their children take their place.

    At the top a node that would leave several children without a parent stays.
    """
    built: dict[_Node, list[Thread]] = {}
    for node in reversed(_preorder(root)):
        children = [thread for child in node.children for thread in built.pop(child)]
        if node.message is not None:
            built[node] = [Thread(node.message, children)]
        elif node is root and len(children) > 1:
            built[node] = [Thread(None, children)]
        else:
            built[node] = children
    return built[root]


def _preorder(root: _Node) -> list[_Node]:
    order: list[_Node] = []
    pending = [root]
    while pending:
        node = pending.pop()
        order.append(node)
        pending.extend(node.children)
    return order


def _sort_key(thread: Thread) -> tuple[int, int]:
    first = _first(thread)
    return (first.date, first.number) if first else (0, 0)


def _first(thread: Thread) -> ThreadMessage | None:
    """The message of a thread, or the first of its children (RFC 5256 3 (4))."""
    if thread.message is not None or not thread.children:
        return thread.message
    children = [child.message for child in thread.children if child.message is not None]
    return min(children, key=lambda message: (message.date, message.number), default=None)


def _merge_subjects(roots: list[Thread]) -> list[Thread]:
    """Step 5: threads of one base subject become one."""
    # Before anything is merged, since that changes which message of a thread is the first.
    subjects = [first.subject if (first := _first(root)) else "" for root in roots]
    table: dict[str, Thread] = {}
    for root, subject in zip(roots, subjects, strict=True):
        if subject and (subject not in table or _is_better(root, table[subject])):
            table[subject] = root
    merged: list[Thread] = []
    for root, subject in zip(roots, subjects, strict=True):
        chosen = table.get(subject)
        if chosen is None or chosen is root:
            merged.append(root)
        elif root.message is None and chosen.message is None:
            chosen.children += root.children
        elif chosen.message is None or (_is_reply(root) and not _is_reply(chosen)):
            chosen.children.append(root)
        else:
            # the chosen one becomes a node without a message, in its own place
            chosen.children = [Thread(chosen.message, chosen.children), root]
            chosen.message = None
    return merged


def _is_better(root: Thread, known: Thread) -> bool:
    """RFC 5256 3 (5)(B)(iii): no message, or no reply where the other is one."""
    if root.message is None:
        return known.message is not None
    return known.message is not None and _is_reply(known) and not _is_reply(root)


def _is_reply(thread: Thread) -> bool:
    return thread.message is not None and thread.message.is_reply
