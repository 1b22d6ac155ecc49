import httpx
import msgspec
import pytest
from starlette.routing import Route

from tapelight.web.endpoints import Endpoint
from web.conftest import Site


def _routes(site: Site) -> set[tuple[str, str]]:
    return {
        (route.path.replace(":path}", "}"), method.lower())
        for route in site.gateway.application.routes
        if isinstance(route, Route) and route.methods is not None
        for method in route.methods - {"HEAD"}
        if route.path not in ("/api", "/api/{path:path}")
    }


async def test_the_document_equals_the_routes(site: Site, http: httpx.AsyncClient) -> None:
    document = (await http.get("/api/openapi.json")).json()
    assert document["openapi"] == "3.1.0"
    told = {(path, m) for path, methods in document["paths"].items() for m in methods}
    assert told == _routes(site)
    for endpoint in site.gateway.endpoints:
        path = document["paths"][endpoint.path.replace(":path}", "}")]
        operation = path[endpoint.method.lower()]
        assert ("requestBody" in operation) == (endpoint.body is not None)
        assert [p["name"] for p in operation["parameters"]] == [p.name for p in endpoint.params]


async def test_every_reference_of_the_document_leads_somewhere(http: httpx.AsyncClient) -> None:
    text = (await http.get("/api/openapi.json")).text
    known = msgspec.json.decode(text)["components"]["schemas"]
    named = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert named == set(known)
    assert {"Problem", "BoardRows", "Signal"} <= named


@pytest.mark.parametrize(
    "path",
    [
        "/health",
        "/api/boards",
        "/api/boards/gainers",
        "/api/market",
        "/api/bars/AAPL",
        "/api/signals",
        "/api/symbols/AAPL",
    ],
)
async def test_answers_have_the_documented_shape(
    site: Site, http: httpx.AsyncClient, path: str
) -> None:
    def matches(endpoint: Endpoint) -> bool:
        return endpoint.path.split("{")[0].rstrip("/") == path.removesuffix("/AAPL").removesuffix(
            "/gainers"
        ) and (("{" in endpoint.path) == path.endswith(("AAPL", "gainers")))

    endpoint = next(filter(matches, site.gateway.endpoints))
    answer = await http.get(path)
    msgspec.json.decode(answer.content, type=endpoint.answer, strict=True)
