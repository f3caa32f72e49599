"""``hearth/file``: a file as indexed, for what an editor cannot open itself."""

from __future__ import annotations

from typing import Any

from pygls.exceptions import JsonRpcInvalidParams

from indexer.errors import UnknownRepository
from server.lsp import protocol
from server.lsp.session import HearthLanguageServer
from server.principal import Work


class FileRequests:
    """Files of the index that the principal may read."""

    def __init__(self, server: HearthLanguageServer) -> None:
        self._server = server
        server.handle(protocol.FILE, self.file)

    async def file(self, params: Any) -> dict[str, Any] | None:
        """Return a file's text; see docs/protocol.md."""
        given = params if isinstance(params, dict) else {}
        repository, path, ref = (given.get(name, "") for name in ("repository", "path", "ref"))
        if not (isinstance(repository, str) and isinstance(path, str) and isinstance(ref, str) and repository and path):
            raise JsonRpcInvalidParams("hearth/file takes a repository, a path and perhaps a ref")
        self._server.permit(Work.HOVER)
        return await self._server.in_thread(self._file, repository, path, ref)

    def _file(self, repository: str, path: str, ref: str) -> dict[str, Any] | None:
        services = self._server.services
        readable = self._server.principal.readable
        # One that may not be read is answered like one that is not there.
        if services is None or services.index is None or (readable is not None and repository not in readable):
            return None
        index = services.index
        try:
            text = index.file_text(repository, ref, path)
            if text is None:
                return None
            return {
                "text": text,
                "language": index.language(repository, ref, path) or "",
                "commit": index.commit(repository, ref),
            }
        except UnknownRepository:
            return None
