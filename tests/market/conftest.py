"""The loops of an older source are not what is tested here."""

from pathlib import Path

import tapelight.market
from tapelight.market.warm import drop_stale

drop_stale(Path(tapelight.market.__file__).parent)
