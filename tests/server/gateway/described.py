"""Holds answers of the API against what ``openapi.json`` says of them."""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator

DESCRIPTION = json.loads(resources.files("server.gateway.api").joinpath("openapi.json").read_text())


def check_described(path: str, status: int, value: Any, method: str = "get") -> None:
    """Fail unless the description has this status for this path, and the value is as it says."""
    name = path.removeprefix("/api/v1").partition("?")[0]
    template = next(one for one in DESCRIPTION["paths"] if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", one), name))
    answer = DESCRIPTION["paths"][template][method]["responses"][str(status)]
    schema = answer["content"]["application/json"]["schema"]
    Draft202012Validator({**schema, "components": DESCRIPTION["components"]}).validate(value)
