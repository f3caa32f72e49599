from __future__ import annotations

import pytest

from indexer.types import Import
from server.context.modules import CERTAIN, POSSIBLE, local_names, module_match

CASES = [
    # module, name, importing file, language, candidate, at least, at most
    ("indexer.types", "Chunk", "server/x.py", "python", "indexer/types.py", CERTAIN, 1.0),
    (".types", "Chunk", "indexer/x.py", "python", "indexer/types.py", CERTAIN, 1.0),
    (".", "types", "indexer/x.py", "python", "indexer/types.py", CERTAIN, 1.0),
    ("..app.base", "X", "celery/bin/x.py", "python", "celery/app/base.py", CERTAIN, 1.0),
    ("..app.base", "X", "celery/bin/x.py", "python", "other/app/base.py", 0.0, 0.0),
    ("celery", "Celery", "examples/x.py", "python", "celery/app/base.py", POSSIBLE, CERTAIN),
    ("flask.globals", "g", "tests/x.py", "python", "src/flask/globals.py", CERTAIN, 1.0),
    ("json", "loads", "src/flask/config.py", "python", "src/flask/json/provider.py", 0.0, 0.0),
    ("./button", "B", "src/a/x.ts", "typescript", "src/a/button.tsx", CERTAIN, 1.0),
    ("../utils", "B", "src/a/x.ts", "typescript", "src/utils/index.ts", CERTAIN, 1.0),
    ("../utils", "B", "src/a/x.ts", "typescript", "lib/utils/index.ts", 0.0, 0.0),
    ("node:path", "join", "src/x.ts", "typescript", "src/path.ts", 0.0, POSSIBLE),
    ("github.com/own/repo/v2/modules/web", "", "a/b.go", "go", "modules/web/server.go", CERTAIN, 1.0),
    ("github.com/own/repo/v2", "", "a/b.go", "go", "server.go", CERTAIN, 1.0),
    ("github.com/other/errors", "", "a/b.go", "go", "server.go", 0.0, 0.0),
    ("net/http", "", "a/b.go", "go", "modules/web/http/server.go", 0.0, 0.6),
    ("okhttp3.internal.Util", "", "x/Y.java", "java", "okhttp/src/main/java/okhttp3/internal/Util.java", CERTAIN, 1.0),
    ("java.util.List", "", "x/Y.java", "java", "okhttp/src/main/java/okhttp3/internal/List.java", 0.0, POSSIBLE),
    ("okhttp3.internal", "close", "x/Y.kt", "kotlin", "okhttp/src/main/kotlin/okhttp3/internal/Util.kt", CERTAIN, 1.0),
    ("crate::runtime::task", "Task", "tokio/src/sync/a.rs", "rust", "tokio/src/runtime/task/mod.rs", CERTAIN, 1.0),
    ("crate::runtime", "Task", "tokio/src/sync/a.rs", "rust", "tokio/src/runtime/task/core.rs", POSSIBLE, CERTAIN),
    ("super::task", "Task", "tokio/src/sync/a.rs", "rust", "tokio/src/sync/task.rs", CERTAIN, 1.0),
    ("thrift/Thrift.h", "", "lib/cpp/src/a.cpp", "cpp", "lib/cpp/src/thrift/Thrift.h", CERTAIN, 1.0),
]


@pytest.mark.parametrize(("module", "name", "importer", "language", "path", "least", "most"), CASES)
def test_a_module_means_the_right_files(
    *, module: str, name: str, importer: str, language: str, path: str, least: float, most: float
) -> None:
    assert least <= module_match(Import(module, name), importer, language, path, "own/repo") <= most


def test_local_names_follow_aliases_and_the_last_part_of_a_module() -> None:
    imports = [Import("a.b", "C"), Import("a.b", "D", "E"), Import("x.y")]
    assert set(local_names(imports, "python")) == {"C", "E", "x"}
    assert set(local_names([Import("github.com/a/http/v2")], "go")) == {"http"}
    assert set(local_names([Import("a.b.Klass")], "java")) == {"Klass"}
