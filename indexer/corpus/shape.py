"""Which words keep their identity when code is compared by shape, and what the others become."""

from __future__ import annotations

from typing import Final

IDENTIFIER: Final = 16
TYPE_NAME: Final = 17
CONSTANT: Final = 18
NUMBER: Final = 19
FIRST_KEPT: Final = 20
"""Abstract ids from here on are words and marks that keep their identity."""

KEYWORDS: Final = frozenset(
    """
    abstract alias and any as assert async await auto base begin bool boolean break byte case catch chan char class
    companion const constexpr constructor continue crate data debugger decltype def default defer delegate delete
    do double dyn each echo elif else elsif end ensure enum except explicit export extends extern final finally
    float fn for foreach friend from fun func function get global go goto if impl implements implicit import in
    include infix init inline int interface internal is it lambda lateinit let local long loop map match mod module
    move mut mutable namespace native new nil no noexcept None not null nullptr object of open operator or out
    override package pass private protected protocol pub public raise range readonly ref register require rescue
    return sealed self Self set short signed sizeof static str String string struct super suspend switch
    synchronized template then this throw throws trait transient True true try type typedef typename typeof
    undefined union unless unsafe unsigned until use using val var virtual void volatile when where while with
    yield False false i j k e err error x y args kwargs print len size_t usize u8 u32 i32 u64 i64 Option Some Ok
    Err Result Vec Box List Map
    """.split()
)


def shape_of(word: str) -> int:
    """Return the abstract class of a word, or 0 for one that keeps its identity (keywords and punctuation)."""
    if word in KEYWORDS:
        return 0
    first = word[0]
    if not (first == "_" or first.isalnum()):
        return 0
    if first.isdigit():
        return NUMBER
    bare = word.lstrip("_")
    if not bare or not bare[0].isupper():
        return IDENTIFIER
    return CONSTANT if len(bare) > 1 and bare.isupper() else TYPE_NAME
