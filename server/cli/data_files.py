"""Everything that Hearth keeps in its data directory, and what of it belongs into a backup."""

from __future__ import annotations

from indexer.backup import INDEXER_PARTS, Keeping, Part, PartKind
from server.accounts.schema import SCHEMA as ACCOUNTS_SCHEMA
from server.accounts.sign_ins import FILE_NAME as SIGN_INS
from server.accounts.store import FILE_NAME as ACCOUNTS
from server.cli.assembly import SALT_KEY
from server.gateway.audit import DIRECTORY as AUDIT
from server.gateway.audit import LOCK as AUDIT_LOCK
from server.history.store import DAMAGED as DAMAGED_HISTORY
from server.history.store import FILE_NAME as HISTORY
from server.history.store import SCHEMA as HISTORY_SCHEMA
from server.runs.kept import FOLDER as BENCHMARKS
from server.runs.kept import SCRATCH as BENCHMARK_SCRATCH

PARTS = (
    Part(ACCOUNTS, Keeping.ALWAYS, "users, groups and tokens", PartKind.DATABASE, ACCOUNTS_SCHEMA),
    Part(AUDIT, Keeping.ALWAYS, "the audit log", PartKind.LINES, lock=AUDIT_LOCK),
    Part(HISTORY, Keeping.ALWAYS, "what the metrics were over time, and prices", PartKind.DATABASE, HISTORY_SCHEMA),
    Part(DAMAGED_HISTORY, Keeping.NEVER, "a history that was damaged"),
    # Another key would only make model servers forget what they cached; but it is small, and keeps tenants apart.
    Part(SALT_KEY, Keeping.ALWAYS, "the key that keeps tenants apart at model servers"),
    Part(BENCHMARKS, Keeping.ALWAYS, "benchmark runs", PartKind.TREE),
    Part(BENCHMARK_SCRATCH, Keeping.NEVER, "the benchmark run on its way", PartKind.TREE),
    Part("downloads", Keeping.ALWAYS, "packages that the server hands out", PartKind.TREE),
    # Put back, they would let those in who have signed out since.
    Part(SIGN_INS, Keeping.NEVER, "sign-ins of browsers", PartKind.DATABASE),
    Part("engine", Keeping.NEVER, "sockets of model servers", PartKind.TREE),
    Part("vllm-cache", Keeping.NEVER, "what vLLM compiled", PartKind.TREE),
    *INDEXER_PARTS,
)
