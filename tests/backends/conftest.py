"""Services of the whole run: started when first asked for, stopped at its end."""

import shutil
from collections.abc import Iterator

import pytest

from backends.services import Postgres, Rabbit, Redis, Service, serve


def _service(kind: type[Service]) -> Iterator[Service]:
    made = serve(kind)
    yield made
    made.stop()
    shutil.rmtree(made.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def redis() -> Iterator[Service]:
    yield from _service(Redis)


@pytest.fixture(scope="session")
def rabbit() -> Iterator[Service]:
    yield from _service(Rabbit)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Service]:
    yield from _service(Postgres)
