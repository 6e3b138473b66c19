"""Small documents around one schema."""

from typing import Any


def one(schema: Any, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": schema}, **more}


def api(version: str, schema: Any, **components: Any) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    paths = {"/make": {"post": {"requestBody": {"content": content}, "responses": {}}}}
    return {
        "openapi": version,
        "info": {"title": "t", "version": "1"},
        "paths": paths,
        "components": {"schemas": components},
    }
