"""`tapelight top`."""

from typing import Annotated

from cyclopts import Parameter

from tapelight.commands.options import ConfigFile, Data, data_folder
from tapelight.errors import ConfigError


def top(
    url: str | None = None,
    *,
    board: str = "gainers",
    key: Annotated[str, Parameter(env_var="TAPELIGHT_KEY")] = "",
    port: int | None = None,
    data: Data = None,
    config: ConfigFile = None,
) -> None:
    """Show a running scanner in the terminal: boards, tape, a symbol, health.

    Keys: [ and ] change the board, Enter shows a row's symbol, h health, Space freezes, q ends.

    Parameters
    ----------
    url
        Where the scanner serves, as in http://127.0.0.1:8787; that of the configuration otherwise.
    board
        The board to begin with.
    key
        An API key of the scope read; that of the data folder where it is left out.
    port
        Of the scanner on this machine, instead of the configured one.
    """
    try:
        from tapelight.terminal.top import Top
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"`tapelight top` needs {error.name}: pip install 'tapelight[top]'."
        ) from error
    from difflib import get_close_matches

    from tapelight.app.localkey import local_key
    from tapelight.config import load
    from tapelight.notebook.live import connect

    settings = load(config)
    web = settings.web
    key = key or local_key(data_folder(data, settings.data))
    live = connect(url or f"http://{web.host}:{port or web.port}", key)
    names = live.boards()["name"].to_list()
    if board not in names:
        near = get_close_matches(board, names, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names[:5])} ..."
        raise ConfigError(f"There is no board {board!r}: {hint}")
    screen = Top(live.stream(), names, board)
    screen.run()
    live.close()
    raise SystemExit(screen.return_code or 0)
