"""Tokens of source text by regular expressions: names, keywords, numbers, strings, comments, operators."""

from __future__ import annotations

import enum
import functools
import re
from typing import NamedTuple


class TokenKind(enum.Enum):
    """What a token is; white space is not kept."""

    NAME = "name"
    KEYWORD = "keyword"
    NUMBER = "number"
    STRING = "string"
    COMMENT = "comment"
    OPERATOR = "operator"


class Token(NamedTuple):
    """A token. ``line`` is 1-based; ``column`` counts characters from the line's start, from 0."""

    kind: TokenKind
    text: str
    line: int
    column: int


_HASH_COMMENTS = frozenset(
    {"python", "ruby", "bash", "yaml", "toml", "makefile", "dockerfile", "perl", "r", "ini", "php"}
)
_SLASH_COMMENTS = frozenset(
    {
        "javascript", "typescript", "tsx", "jsx", "go", "java", "rust", "c", "cpp", "csharp", "php", "kotlin", "scala",
        "swift", "proto", "thrift", "css", "scss", "dart", "groovy", "vue", "svelte",
    }
)  # fmt: skip
_TRIPLE_QUOTES = frozenset({"python", "kotlin", "java", "scala", "swift", "groovy"})
_BACKTICKS = frozenset({"javascript", "typescript", "tsx", "jsx", "go", "vue", "svelte"})
_CHARACTER_QUOTES = frozenset({"rust", "go", "java", "c", "cpp", "csharp", "kotlin", "scala", "swift"})
"""Languages whose single quotes hold one character (in Rust a lone one begins a lifetime)."""

_SIGILS = {"php": r"\$?", "bash": r"\$?", "ruby": "@{0,2}", "javascript": r"\$?", "typescript": r"\$?", "tsx": r"\$?"}
"""What may stand before a name and belongs to it."""

_KEYWORD_TEXT = {
    "python": """
        False None True and as assert async await break case class cls continue def del elif else except
        finally for from global if import in is lambda match nonlocal not or pass raise return self try
        while with yield
    """,
    "javascript": """
        abstract any as async await boolean break case catch class const constructor continue debugger
        declare default delete do else enum export extends false finally for from function get if implements
        import in infer instanceof interface is keyof let namespace never new null number object of private
        protected public readonly return satisfies set static string super switch symbol this throw true try
        type typeof undefined unknown var void while with yield
    """,
    "go": """
        any bool break byte case chan complex128 complex64 const continue default defer else error
        fallthrough false float32 float64 for func go goto if import int int16 int32 int64 int8 interface
        iota map nil package range return rune select string struct switch true type uint uint16 uint32
        uint64 uint8 uintptr var
    """,
    "java": """
        abstract assert boolean break byte case catch char class const continue default do double else enum
        extends false final finally float for goto if implements import instanceof int interface long native
        new null package private protected public record return sealed short static strictfp super switch
        synchronized this throw throws transient true try var void volatile while yield
    """,
    "rust": """
        Self as async await bool break char const continue crate dyn else enum extern f32 f64 false fn for
        i128 i16 i32 i64 i8 if impl in isize let loop match mod move mut pub ref return self static str
        struct super trait true type u128 u16 u32 u64 u8 union unsafe use usize where while yield
    """,
    "c": """
        NULL alignas alignof auto bool break case catch char class const const_cast constexpr continue
        decltype default define delete do double dynamic_cast elif else endif enum explicit export extern
        false final float for friend goto if ifdef ifndef include inline int long mutable namespace new
        noexcept nullptr operator override private protected public register reinterpret_cast return short
        signed sizeof static static_cast struct switch template this throw true try typedef typeid typename
        undef union unsigned using virtual void volatile while
    """,
    "csharp": """
        abstract as async await base bool break byte case catch char checked class const continue decimal
        default delegate do double else enum event explicit extern false finally fixed float for foreach get
        goto if implicit in init int interface internal is lock long namespace new null object operator out
        override params private protected public readonly record ref return sbyte sealed set short sizeof
        static string struct switch this throw true try typeof uint ulong unchecked unsafe ushort using
        value var virtual void volatile while yield
    """,
    "ruby": """
        alias and begin break case class def do else elsif end ensure extend false for if in include module
        next nil not or private protected public raise redo require require_relative rescue retry return
        self super then true undef unless until when while yield
    """,
    "php": """
        abstract and array as bool break callable case catch class clone const continue declare default do
        echo else elseif empty enum extends false final finally float fn for foreach function global goto if
        implements include instanceof int interface isset list match namespace new null or parent print
        private protected public readonly require require_once return self static string switch this throw
        trait true try unset use var void while xor yield
    """,
    "kotlin": """
        abstract actual annotation as break by catch class companion const constructor continue crossinline
        data do else enum expect external false final finally for fun get if import in infix init inline
        inner interface internal is it lateinit null object open operator out override package private
        protected public reified return sealed set super suspend tailrec this throw true try typealias val
        value var vararg when where while
    """,
    "bash": """
        break case continue declare do done echo elif else esac eval exec exit export false fi for function
        if in local printf read readonly return select set shift source then trap true unset until while
    """,
}
_KEYWORDS = {language: frozenset(text.split()) for language, text in _KEYWORD_TEXT.items()}
_ALIASES = {"typescript": "javascript", "tsx": "javascript", "jsx": "javascript", "cpp": "c", "vue": "javascript"}
_ANY_KEYWORDS = frozenset({"if", "else", "for", "while", "return", "true", "false", "null", "None", "True", "False"})


def keywords(language: str) -> frozenset[str]:
    """Words of ``language`` that name nothing a repository defines."""
    return _KEYWORDS.get(_ALIASES.get(language, language), _ANY_KEYWORDS)


@functools.cache
def _pattern(language: str) -> re.Pattern[str]:
    known = language in _KEYWORDS or language in _HASH_COMMENTS or language in _SLASH_COMMENTS
    comments = []
    if language in _SLASH_COMMENTS or not known:
        comments += [r"//[^\n]*", r"/\*[\s\S]*?(?:\*/|\Z)"]
    if language in _HASH_COMMENTS or not known:
        # In Bash `$#` and `${#name}` are not comments; in PHP `#[` opens an attribute.
        comments.append(r"(?<![$\w{])#(?!\[)[^\n]*" if language in {"php", "bash"} else r"\#[^\n]*")
    strings = []
    if language in _TRIPLE_QUOTES:
        strings.append(r'"""[\s\S]*?(?:"""|\Z)')
        if language == "python":
            strings.append(r"'''[\s\S]*?(?:'''|\Z)")
    if language == "rust":
        strings.append(
            r'b?r(#*)"[\s\S]*?(?:"\1|\Z)'.replace(r"(#*)", r"(?P<hashes>\#*)").replace(r"\1", r"(?P=hashes)")
        )
    if language in _BACKTICKS:
        strings.append(r"`(?:\\.|[^`\\])*(?:`|\Z)" if language != "go" else r"`[^`]*(?:`|\Z)")
    strings.append(r'"(?:\\.|[^"\\\n])*"?')
    strings.append(r"'(?:\\[^'\n]+|[^'\\\n])'" if language in _CHARACTER_QUOTES else r"'(?:\\.|[^'\\\n])*'?")
    prefix = r"(?:\b[rRbBuUfF]{1,2})?" if language == "python" else ""
    return re.compile(
        rf"(?P<comment>{'|'.join(comments) or '(?!)'})"
        rf"|(?P<string>{prefix}(?:{'|'.join(strings)}))"
        rf"|(?P<name>{_SIGILS.get(language, '')}[^\W\d]\w*)"
        r"|(?P<number>\d[\w.]*)"
        r"|(?P<operator>->|=>|::|:=|==|!=|<=|>=|&&|\|\||\?\.|\.\.\.|[+\-*/%&|^]=|[^\w\s])"
        r"|(?P<newline>\n)"
    )


def lex(text: str, language: str, *, first_line: int = 1) -> list[Token]:
    """Split ``text`` into tokens, lines counted from ``first_line``. Never fails: what fits nothing is skipped."""
    tokens: list[Token] = []
    words = keywords(language)
    line = first_line
    line_start = 0
    for match in _pattern(language).finditer(text):
        group = match.lastgroup
        if group == "hashes":
            group = "string"
        if group == "newline":
            line += 1
            line_start = match.end()
            continue
        value = match.group()
        column = match.start() - line_start
        if group == "name":
            # Behind a dot a word of the language is a name like any other, except Rust's `.await`.
            member = bool(tokens) and tokens[-1].text in {".", "?.", "->"} and value != "await"
            kind = TokenKind.KEYWORD if value.lstrip("$@") in words and not member else TokenKind.NAME
        else:
            kind = TokenKind(group)
        tokens.append(Token(kind, value, line, column))
        newlines = value.count("\n") if group in {"string", "comment"} else 0
        if newlines:
            line += newlines
            line_start = match.start() + value.rfind("\n") + 1
    return tokens


def lex_lines(lines: list[str], start: int, end: int, language: str) -> list[Token]:
    """Tokens of ``lines[start:end]`` (0-based), aware of a comment or long string that opened above.

    ``lines`` come without their line ends. Only the last comment or string opener above is looked at, so a file that
    mixes quote styles inside long strings can be misread; the price of not lexing the whole file on each key stroke.
    """
    above = "\n".join(lines[:start])
    opener = ""
    if language in _TRIPLE_QUOTES and above.count('"""') % 2:
        opener = '"""'
    elif language in _SLASH_COMMENTS and above.rfind("/*") > above.rfind("*/"):
        opener = "/*"
    text = opener + "\n".join(lines[start:end])
    tokens = lex(text, language, first_line=start + 1)
    if opener and tokens and tokens[0].line == start + 1:
        first = tokens[0]
        tokens[0] = Token(first.kind, first.text.removeprefix(opener), first.line, first.column)
    return tokens
