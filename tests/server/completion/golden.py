"""What engines write at a cursor (marked ``|``), and what a user may see of it: tables by language, one row a habit."""

from __future__ import annotations

from typing import NamedTuple


class Golden(NamedTuple):
    """One row: the text around the cursor, what the engine writes there, and what is shown in the end."""

    name: str
    text: str
    raw: str
    shown: str


PYTHON = [
    ("an opener with a comment", "if a:  # b|\n", "\n    c()\nd()", "\n    c()"),
    ("a text on lines of its own", 'def f():\n    """|\n', '\n    Say.\n    """\n    return 1', '\n    Say.\n    """'),
    ("a text on the same line", 'def f():\n    """|\n', 'Say."""\n    return 1', 'Say."""'),
    ("behind a backslash", "with a, \\|\n", "\n        b:\n    c()\nd()", "\n        b:\n    c()"),
    ("one line only", "x = |", "compute(a)\ny = 2\n", "compute(a)"),
    ("closing bracket is there", "print(|)\n", "value)", "value"),
    ("own brackets stay", "print(|)\n", "f(x)", "f(x)"),
    ("bracket and colon are there", "def run(|):\n", "self, job: Job) -> None:", "self, job: Job"),
    ("closing quote is there", 'print("|")\n', 'hello")', "hello"),
    ("own string stays", "print(|)\n", '"hello"', '"hello"'),
    ("the rest of the line is repeated", "total = | + tax\n", "price * count + tax", "price * count"),
    ("half a word is no repetition", "x = |y_max\n", "try_y", "try_y"),
    ("argument before another", "call(|b)\n", "a, ", "a, "),
    (
        "body ends with its block",
        "def area(w, h):|\n\n\ndef other():\n    pass\n",
        "\n    return w * h\n\n\ndef more():\n    pass",
        "\n    return w * h",
    ),
    (
        "continued block ends at a dedent",
        "class A:\n    def f(self):\n        |\n",
        "x = 1\n        return x\n\n    def g(self):\n        pass",
        "x = 1\n        return x",
    ),
    ("following line is not repeated", "if a:\n    |\n    return b\n", "b = 1\n    return b\n", "b = 1"),
    ("line above is not repeated", "import os\n|\n", "import os", ""),
    ("line above may begin alike", "import os\n|\n", "import os.path", "import os.path"),
    ("endless repetition", "x\n|\n", "add(1)\nadd(1)\nadd(1)\nadd(1)\n", "add(1)"),
    (
        "a body is said once",
        "def f():|\n",
        "\n    a = b()\n    c(a)\n    d(a)\n    a = b()\n    c(a)\n    d(a)\n    e()",
        "\n    a = b()\n    c(a)\n    d(a)",
    ),
    (
        "two lines may be there twice",
        "def f():|\n",
        "\n    read()\n    skip()\n    read()\n    skip()\n",
        "\n    read()\n    skip()\n    read()\n    skip()",
    ),
    ("blanks only", "x = |\n", "   \n\n", ""),
    ("special token", "x = |\n", "1<|endoftext|><|fim_prefix|>import", "1"),
    ("tabs become the file's spaces", "if a:\n    b()\nif c:|\n", "\n\td()", "\n    d()"),
    ("stops at a top-level neighbour", "|\n", "def f():\n    pass\n\n\ndef g():\n    pass\n", "def f():\n    pass"),
    (
        "a string over lines is no dedent",
        "def f():\n    |\n",
        'q = """\nselect {\n\n\nfrom (x\n"""\n    return q\n\ndef g():\n    pass\n',
        'q = """\nselect {\n\n\nfrom (x\n"""\n    return q',
    ),
    (
        "a string over lines closes no block",
        "def f():|\n",
        '\n    q = """\nselect\n"""\n    return q\n\ndef g():\n    pass\n',
        '\n    q = """\nselect\n"""\n    return q',
    ),
    (
        "the next member is not begun",
        "class A:\n    |\n",
        "def f(self):\n        return 1\n    def g(self):\n        return 2\n",
        "def f(self):\n        return 1",
    ),
    (
        "decorators and clauses belong to their statement",
        "class A:\n    |\n",
        "@property\n    def f(self):\n        if x:\n            y()\n        else:\n            z()\n    @x\n    def",
        "@property\n    def f(self):\n        if x:\n            y()\n        else:\n            z()",
    ),
    ("arguments end with their bracket", "x = foo(a,\n        |\n", "b)\ny = 2\n", "b)"),
    ("a bracket below is not repeated", "foo(\n    |\n)\n", "a,\n    b)\ny = 2\n", "a,\n    b"),
    ("a list ends with its bracket", "x = [|\n", "\n    1,\n\n    2,\n]\nprint(x)\n", "\n    1,\n\n    2,\n]"),
    (
        "arguments may stand left of their call",
        "def f():\n    |\n",
        "x = g(\n    a,\n    b,\n    )\n    return x\n\nh()",
        "x = g(\n    a,\n    b,\n    )\n    return x",
    ),
    (
        "prose in a docstring is not code",
        'def f():\n    """Do it.\n    |\n    """\n',
        "Also (it\n    may.\n\n    x",
        "Also (it\n    may.",
    ),
    ("a comment that was begun ends with its line", "# Sums |\n", "all of them.\nx = 1\n", "all of them."),
    (
        "a bracket in a string is none",
        "def f(a):|\n",
        '\n    print(f"with({a})")\n    g(a)\n\n\ndef h():',
        '\n    print(f"with({a})")\n    g(a)',
    ),
    (
        "a signature and its body",
        "def f(|\n",
        "\n    a: int,\n) -> int:\n    b = a\n    return b\n\n\ndef g():",
        "\n    a: int,\n) -> int:\n    b = a\n    return b",
    ),
    ("blanks at the end go", "x = |\n", "1   \n", "1"),
    ("a call without arguments closes itself before more", "return cmpopts.|)\n", "ignore_empty())", "ignore_empty("),
    ("a call in a call is its own", "total = add(\n    price.|)\n", "rounded()", "rounded()"),
    ("the end of a string is there", 'log(|" +\n', '"before:" +', '"before:'),
    ("a string of its own", 'log(| + "x")\n', '"before:"', '"before:"'),
    (
        "a call that begins as the next one does",
        "check(|\n\ncheck(\n    one,\n    three,\n)\n",
        "\n    one,\n    two,\n)\n\ncheck(\n    one,\n    three,\n)\n",
        "\n    one,\n    two,\n)",
    ),
    (
        "handlers belong to their try",
        "def f():\n    try:|\n",
        "\n        a()\n    except E:\n        b()\n    c()\n",
        "\n        a()\n    except E:\n        b()",
    ),
    (
        "a loop after a block is another statement",
        "if a:|\n",
        "\n    b()\nwhile c:\n    d()\n",
        "\n    b()",
    ),
]

TYPESCRIPT = [
    ("behind a template quote", "const a = `|\n", "\n  SELECT 1\n`;\nconst b = 1;\n", "\n  SELECT 1\n`;"),
    ("behind the last template quote", "const a = `b`|\n", ";\nconst b = 1;\n", ";"),
    ("semicolon is there", "const a = |;\n", "b();", "b()"),
    ("arrow body", "items.map((item) => {|\n});\n", "\n  return item.id;\n});", "\n  return item.id;"),
    ("object ends with its brace", "const o = {|\n", "\n  a: 1,\n};\nconst p = 2;", "\n  a: 1,\n};"),
    ("template", "log(`|`)\n", "${name}`)", "${name}"),
    ("else branch goes on", "if (a) {|\n", "\n  b();\n} else {\n  c();\n}\nd();", "\n  b();\n} else {\n  c();\n}"),
    (
        "a template over lines is no dedent",
        "function f() {\n  |\n}\n",
        "const s = `\nselect {\n  from`;\n  return s;\n}\n",
        "const s = `\nselect {\n  from`;\n  return s;",
    ),
    (
        "else on a line of its own",
        "function f() {\n  |\n}\n",
        "if (a) {\n    b();\n  }\n  else {\n    c();\n  }\n  d();\n}\n",
        "if (a) {\n    b();\n  }\n  else {\n    c();\n  }",
    ),
    ("a call ends with its statement", "const x = foo(|\n", "\n  a,\n  b,\n);\nbar();\n", "\n  a,\n  b,\n);"),
    ("a chain goes on", "const a = 1;\n|\n", "items\n.map(f)\n.filter(g);\n\nnext();", "items\n.map(f)\n.filter(g);"),
    ("the brace that is missing comes", "function f() {\n  |\n", "a();\n}\n\nfunction g() {\n", "a();\n}"),
    ("tabs where the file has tabs", "class A {\n\tx = 1;\n\t|\n}\n", "f() {\n    g();\n  }\n", "f() {\n\t\tg();\n\t}"),
    ("special token in the middle", "const a = |\n", "b()<|im_end|>;\n", "b()"),
    ("line above is not repeated", "import a from 'a';\n|\n", "import a from 'a';", ""),
    ("the arrow is there", 'test("encodes|() => {\n', ' null", () => {', ' null", '),
    ("half a string", "health|up',\n", ": 'up',", ": '"),
    (
        "a bracket in a template that is being written closes nothing",
        "function f(a: string) {\n  |\n}\n",
        "const q = `\nselect ${a}\n  }\n`;\n  return q;\n}\n\nfunction g() {\n",
        "const q = `\nselect ${a}\n  }\n`;\n  return q;",
    ),
    (
        "tabs become two spaces where the file has two",
        "if (a) {\n  b();\n}\nif (c) {|\n",
        "\n\td();\n\tif (e) {\n\t\tf();\n\t}\n}\n",
        "\n  d();\n  if (e) {\n    f();\n  }\n}",
    ),
]

GO = [
    ("spaces become the file's tabs", "func f() {\n\tg()\n}\n\nfunc h() {|\n", "\n    i()\n}", "\n\ti()\n}"),
    (
        "two levels",
        "func f() {\n\tg()\n}\n\nfunc h() {|\n",
        "\n  if x {\n    i()\n  }\n}",
        "\n\tif x {\n\t\ti()\n\t}\n}",
    ),
    ("brace below is not repeated", "func h() error {|\n}\n", "\n\treturn nil\n}", "\n\treturn nil"),
    ("condition", "if err != |{\n", "nil {", "nil "),
    (
        "cases stand where the switch does",
        "func f() {\n\tswitch x {|\n",
        "\n\tcase 1:\n\t\tfoo()\n\tdefault:\n\t\tbar()\n\t}\n\tbaz()\n",
        "\n\tcase 1:\n\t\tfoo()\n\tdefault:\n\t\tbar()\n\t}",
    ),
    (
        "a raw string is no dedent",
        "func f() {\n\t|\n}\n",
        "q := `\nselect {\nfrom`\n\treturn q\n}\n",
        "q := `\nselect {\nfrom`\n\treturn q",
    ),
    (
        "a call over lines and the block after it",
        "func f() {\n\t|\n}\n",
        "x := g(\n\t\ta,\n\t\tb,\n\t)\n\tif x {\n\t\ty()\n\t}\n\tz()\n}\n",
        "x := g(\n\t\ta,\n\t\tb,\n\t)\n\tif x {\n\t\ty()\n\t}",
    ),
    ("following line is not repeated", "func f() {\n\t|\n\treturn nil\n}\n", "a()\n\treturn nil\n}", "a()"),
    ("special token", "x := |\n", "1<|endoftext|>", "1"),
    (
        "stars of a comment indent nothing",
        "/*\n * One.\n * Two.\n * Three.\n */\nfunc f() {\n\tg()\n}\n\nfunc h() {|\n",
        "\n\ti()\n}",
        "\n\ti()\n}",
    ),
    ("line above is not repeated", 'import "fmt"\n|\n', 'import "fmt"', ""),
]

JAVA = [
    (
        "a comment",
        "class A {\n    /**|\n    void f() {}\n}\n",
        "\n     * Do.\n     */\n    void f",
        "\n     * Do.\n     */",
    ),
    ("call in a statement", "String s = String.valueOf(|);\n", "count);", "count"),
    (
        "method body",
        "class A {\n    int f() {|\n    }\n}\n",
        "\n        return 1;\n    }\n\n    int g() {",
        "\n        return 1;",
    ),
    ("generic", "List<|> names;\n", "String>", "String"),
    (
        "the next method is not begun",
        "class A {\n    |\n}\n",
        "int f() {\n        return 1;\n    }\n    int g() {\n        return 2;\n    }\n}\n",
        "int f() {\n        return 1;\n    }",
    ),
    (
        "the brace that is missing comes",
        "class A {\n    void f() {\n        |\n\n    void g() {\n    }\n}\n",
        "a();\n        b();\n    }\n\n    void h() {\n",
        "a();\n        b();\n    }",
    ),
    (
        "the brace that is there stays alone",
        "class A {\n    void f() {\n        |\n    }\n\n    void g() {\n    }\n}\n",
        "a();\n        b();\n    }\n\n    void h() {\n",
        "a();\n        b();",
    ),
    (
        "a comment is no block",
        "class A {\n    |\n}\n",
        "/*\n * Takes {\nnothing }.\n */\n    int f() {\n        return 1;\n    }\n    int g() {",
        "/*\n * Takes {\nnothing }.\n */\n    int f() {\n        return 1;\n    }",
    ),
    (
        "a body below a signature over lines",
        "class A {\n    int f(int a,\n          int b) {|\n}\n",
        "\n        return a + b;\n    }\n\n    int g() {",
        "\n        return a + b;\n    }",
    ),
    (
        "annotations belong to their method",
        "class A {\n    |\n}\n",
        "@Override\n    int f() {\n        return 1;\n    }\n    int g;",
        "@Override\n    int f() {\n        return 1;\n    }",
    ),
    (
        "catch belongs to its try",
        "void f() {\n    try {|\n    }\n}\n",
        "\n        a();\n    } catch (E e) {\n        b();\n    }\n    c();",
        "\n        a();\n    } catch (E e) {\n        b();",
    ),
    ("special token", "int x = |\n", "1;<fim_suffix>", "1;"),
]

CPP = [
    (
        "a body below initialisers",
        "struct A {\n  A(int b)\n    : b_(b),\n      c_(b) {|\n};\n",
        "\n    init();\n  }\n\n  void f() {",
        "\n    init();\n  }",
    ),
    (
        "lines for the preprocessor are no dedent",
        "void f() {|\n",
        "\n  a();\n#ifdef B\n  b();\n#endif\n}\n\nvoid g() {",
        "\n  a();\n#ifdef B\n  b();\n#endif\n}",
    ),
    ("the rest of a call is there", "return size|)->get());\n", "_of(x)->get());", "_of(x"),
    (
        "a function in a namespace that is not indented keeps its bracket",
        "namespace a {\n\n|\n\n}\n",
        "int f() {\n  return 1;\n}\n\nint g() {\n",
        "int f() {\n  return 1;\n}",
    ),
    (
        "a namespace that is not indented",
        "namespace a {|\n",
        "\nint f();\nint g();\n}  // namespace a\nint h();\n",
        "\nint f();\nint g();\n}  // namespace a",
    ),
]

RUBY = [
    ("a method", "class A\n  def b(c = 1)|\nend\n", "\n    c\n  end\n\n  def d\n", "\n    c\n  end"),
    ("a method of one line", "class A\n  def b = |\nend\n", "1\n\n  def d\n", "1"),
    ("a block with a parameter", "a.each do |b||\n", "\n  b\nend\nd\n", "\n  b\nend"),
    (
        "rescue belongs to its begin",
        "begin|\nend\n",
        '\n  require "a"\nrescue LoadError\n  warn "no a"\nend\nputs 1\n',
        '\n  require "a"\nrescue LoadError\n  warn "no a"',
    ),
]

BASH = [
    ("a case", "case $a in|\n", "\n  b)\n    c\n    ;;\nesac\nd\n", "\n  b)\n    c\n    ;;\nesac"),
    ("a case that is not indented", "case $a in|\n", "\nb) c ;;\n*) d ;;\nesac\ne\n", "\nb) c ;;\n*) d ;;\nesac"),
    ("an arm", "case $a in\n  b)|\nesac\n", "\n    c\n    ;;\n  *)\n", "\n    c\n    ;;"),
    ("a command over lines", "a \\|\n", "\n  -b \\\n  -c\nd\n", "\n  -b \\\n  -c"),
    (
        "elif and else belong to their if",
        'if [[ "$a" ]]; then|\n',
        '\n  b\nelif [[ "$c" ]]; then\n  d\nelse\n  e\nfi\nf\n',
        '\n  b\nelif [[ "$c" ]]; then\n  d\nelse\n  e\nfi',
    ),
    (
        "a body that is not indented",
        "f() {|\n",
        "\nif [ -f x ]; then\necho a\nelse\necho b\nfi\necho c\n}\ng() {\necho d\n}\n",
        "\nif [ -f x ]; then\necho a\nelse\necho b\nfi\necho c\n}",
    ),
    (
        "a loop that is not indented",
        "for i in a b; do|\n",
        "\necho $i\ndone\necho c\n",
        "\necho $i\ndone",
    ),
    (
        "another part of a statement that is not indented",
        "if [ -f x ]; then|\n",
        "\necho a\nelse\necho b\nfi\necho c\n",
        "\necho a\nelse\necho b\nfi",
    ),
]

RUST = [
    ("a call in an error closes itself", "return|e);\n", " Err(e);", " Err("),
    ("match arm", "match x {\n    Some(v) => |,\n}\n", "v,", "v"),
    ("lifetime is no string", "fn f(|)\n", "s: &'a str)", "s: &'a str"),
    ("question mark", "let a = read(|)?;\n", "path)?;", "path"),
    ("block", "fn f() -> u8 {|\n}\n", "\n    1\n}\n\nfn g() {}", "\n    1"),
    (
        "a brace in a character",
        "fn f(x: u8) -> char {|\n}\n",
        "\n    match x {\n        1 => '}',\n        _ => 'a',\n    }\n}\n\nfn g() {",
        "\n    match x {\n        1 => '}',\n        _ => 'a',\n    }",
    ),
    (
        "one arm at a time",
        "match x {\n    |\n}\n",
        "Some(v) => {\n        g(v)\n    }\n    None => {}\n}\n",
        "Some(v) => {\n        g(v)\n    }",
    ),
    (
        "a chain goes on",
        "fn f() {\n    |\n}\n",
        "let a = b\n        .c()\n        .d();\n    a\n}",
        "let a = b\n        .c()\n        .d();\n    a",
    ),
    (
        "attributes belong to their item",
        "|\n",
        "#[test]\nfn f() {\n    g();\n}\nfn h() {",
        "#[test]\nfn f() {\n    g();\n}",
    ),
    ("special token", "let x = |\n", "1;<|fim_pad|>", "1;"),
    ("a letter that is not ASCII", "fn f() {|\n}\n", '\n    let é = "ü{";\n    é\n}\n', '\n    let é = "ü{";\n    é'),
]

LUA = [
    ("a function", "local a = function(b)|\n", "\n  c(b)\nend\n\nd()\n", "\n  c(b)\nend"),
]

YAML = [
    ("a text", "a:\n  b: ||\nc: 1\n", "\n    d\n    e\nc: 1\n", "\n    d\n    e"),
    ("a value", "a:\n  b: |\nc: 1\n", "d\nc: 1\n", "d"),
]

CRLF = [
    (
        "line ends are kept",
        "def f():\r\n    pass\r\n\r\ndef g():|\r\n",
        "\n    a()\n    b()\n",
        "\r\n    a()\r\n    b()",
    ),
    (
        "carriage returns never reach a file without them",
        "def f():\n    pass\n\ndef g():|\n",
        "\r\n    a()\r\n    b()\r\n",
        "\n    a()\n    b()",
    ),
    (
        "brackets over lines",
        "x = 1\r\ny = foo(|\r\n",
        "\r\n    a,\r\n    b,\r\n)\r\nz = 1",
        "\r\n    a,\r\n    b,\r\n)",
    ),
    ("what is below", "if a:\r\n    |\r\n    return b\r\n", "b = 1\n    return b\n", "b = 1"),
]

GOLDEN: dict[str, list[Golden]] = {
    language: [Golden(*row) for row in rows]
    for language, rows in {
        "python": [*PYTHON, *CRLF],
        "typescript": TYPESCRIPT,
        "go": GO,
        "java": JAVA,
        "rust": RUST,
        "cpp": CPP,
        "ruby": RUBY,
        "bash": BASH,
        "lua": LUA,
        "yaml": YAML,
    }.items()
}
