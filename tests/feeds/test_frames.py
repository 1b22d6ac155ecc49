"""Thousands of mutated frames through each adapter; tools/fuzz_frames.py runs millions."""

import pytest

from feeds.frames import ADAPTERS, Bin, fuzz


@pytest.mark.parametrize("name", list(ADAPTERS))
def test_no_mutated_frame_lets_an_exception_escape(name: str) -> None:
    (*_, tally) = fuzz(ADAPTERS[name](), count=5_000, seed=1)
    assert tally.escaped == []
    assert tally.frames == 5_000
    assert tally.unaccounted == 0
    # Faults are seen, and sound frames among them still come through.
    assert tally.rejected > 1_000
    assert tally.records > 100


@pytest.mark.parametrize("name", list(ADAPTERS))
def test_the_sound_frames_are_read_without_a_fault(name: str) -> None:
    adapter = ADAPTERS[name]()
    refusals = (b'"error"', b'"success":false', b'"code":2')
    sound = [f for f in adapter.frames if not any(r in f for r in refusals)]
    assert len(adapter.read(sound)) >= 1
    assert isinstance(adapter.sink, Bin)
    assert adapter.sink.rejected == 0


def test_a_frame_of_ten_megabytes_is_one_reject() -> None:
    adapter = ADAPTERS["massive"]()
    assert adapter.read([b'[{"ev":"T","sym":"' + b"A" * 10_000_000]) == []
    assert adapter.sink.rejected == 1
