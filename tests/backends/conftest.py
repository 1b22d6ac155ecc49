"""Services of the whole run: started when first asked for, stopped at its end."""

from collections.abc import Iterator

import pytest

from backends.services import Postgres, Rabbit, Redis, Service, serve


def _service(kind: type[Service], factory: pytest.TempPathFactory) -> Iterator[Service]:
    made = serve(kind, factory)
    yield made
    made.stop()


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    yield from _service(Redis, tmp_path_factory)


@pytest.fixture(scope="session")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    yield from _service(Rabbit, tmp_path_factory)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    yield from _service(Postgres, tmp_path_factory)
