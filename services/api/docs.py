"""The OpenAPI description: its security schemes, the committed copy, and /docs as a page without foreign scripts."""

import argparse
import html
import json
import re
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from pydantic import SecretStr

_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The API key."},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The API key."},
}
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem: what went wrong, in `detail`.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
    "required": ["type", "title", "status"],
}


def install_docs(app: FastAPI) -> None:
    """Makes the description complete and serves /docs."""

    def description() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app)
        return app.openapi_schema

    async def docs() -> HTMLResponse:
        headers = {"Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'"}
        return HTMLResponse(_page(description()), headers=headers)

    app.openapi = description  # type: ignore[method-assign]
    app.add_api_route("/docs", docs, methods=["GET"], include_in_schema=False)


def _described(app: FastAPI) -> dict[str, Any]:
    schema = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    components = schema.setdefault("components", {})
    components["securitySchemes"] = _SCHEMES
    components.setdefault("schemas", {})["Problem"] = _PROBLEM
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            responses = operation["responses"]
            # FastAPI describes its own error body here; ours are problems.
            for status in [status for status in responses if status >= "4"]:
                responses[status]["content"] = problem
            if path.startswith("/v1"):
                operation["security"] = [{name: []} for name in _SCHEMES]
                responses["default"] = {"description": "Any other error.", "content": problem}
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    return schema


def _page(schema: dict[str, Any]) -> str:
    """All operations and their parameters on one plain page."""
    sections = "".join(
        _operation(method, path, operation)
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        '<title>ContactPulse API</title><link rel="stylesheet" href="/static/docs.css">'
        "<main><h1>ContactPulse API</h1><p>Keys travel as <code>Authorization: Bearer KEY</code> or"
        " <code>X-API-Key: KEY</code>. Errors are RFC 9457 problems. The whole description:"
        f' <a href="/openapi.json">openapi.json</a>.</p>{sections}</main></html>'
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    said = _marked(operation.get("description", "")).replace("\n\n", "<p>")
    rows = "".join(
        f"<tr><th scope=row><code>{html.escape(parameter['name'])}</code>"
        f"<td>{'path' if parameter['in'] == 'path' else html.escape(str(parameter['schema'].get('default', '') or ''))}"
        f"<td>{_marked(parameter.get('description', ''))}"
        for parameter in operation.get("parameters", ())
    )
    table = f"<table><tr><th>parameter<th>default<th>{rows}</table>" if rows else ""
    return f"<section><h2><code>{method.upper()}</code> {html.escape(path)}</h2><p>{said}</p>{table}</section>"


def _marked(text: str) -> str:
    """Escaped, with what stands in backticks as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(text))


def main() -> None:
    """Writes the description: `python -m services.api.docs docs/openapi.json`."""
    from schemas.settings import Settings
    from services.api.app import create_app

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("file", type=Path)
    file: Path = parser.parse_args().file
    settings = Settings(api_key=SecretStr("not used"))
    file.write_text(openapi_text(create_app(settings, loopback=True)), encoding="utf-8")


def openapi_text(app: FastAPI) -> str:
    """The description as it is committed."""
    return json.dumps(app.openapi(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    main()
