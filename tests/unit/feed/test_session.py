"""Session: what one viewer gets, and in which order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dettui.feed.agent.discovery import Member
from dettui.feed.agent.protocol import Portion
from dettui.feed.agent.session import Session, wanted_runs
from dettui.feed.agent.strand import WINDOW_BYTES, Strand
from dettui.feed.agent.window import Window
from dettui_probe import wire
from dettui_probe.framing import MAGIC, Frame, Scanner, pack

GONE = {"host": "nowhere", "host_boot": "k", "pid": 1, "pid_start": 1}


@pytest.fixture
def strand(tmp_path: Path) -> Callable[..., Strand]:
    """A strand of *count* frames of *size* bytes in its log."""

    def make(run: str, count: int, size: int = 10, boot: str = "b", started: float = 1.0) -> Strand:
        log = tmp_path / f"{run}-{boot}.dlog"
        log.write_bytes(MAGIC + b"".join(pack(seq, bytes(size)) for seq in range(count)))
        return Strand(Member(run, boot, 0, run, log=str(log), started=started, **GONE))  # type: ignore[arg-type]

    return make


def seqs(portion: Portion) -> list[int]:
    return [frame.seq for frame in Scanner().feed(portion.data) if isinstance(frame, Frame)]


def drained(session: Session, strands: list[Strand], budget: int) -> list[tuple[str, int]]:
    """(boot, seq) of everything that pulls bring, until two bring nothing."""
    found: list[tuple[str, int]] = []
    idle = 0
    while idle < 2:
        before = len(found)
        for portion in session.portions(strands, budget):
            found += [(portion.boot, seq) for seq in seqs(portion)]
        idle = idle + 1 if len(found) == before else 0
    return found


@pytest.mark.parametrize("budget", [1, 100, 1 << 20])
def test_every_frame_comes_once_and_in_order_whatever_the_budget(strand: Callable[..., Strand], budget: int) -> None:
    assert drained(Session((), {}), [strand("r", 20)], budget) == [("b", seq) for seq in range(20)]


def test_a_pull_stays_within_its_budget(strand: Callable[..., Strand]) -> None:
    portions = Session((), {}).portions([strand(run, 50, size=100) for run in "abc"], budget=500)
    assert sum(len(portion.data) for portion in portions) <= 500 + 120


def test_no_run_starves_behind_a_large_one(strand: Callable[..., Strand]) -> None:
    strands = [strand("large", 1_000, size=100), strand("small", 1)]
    session = Session((), {})
    served = {portion.run for _ in range(2) for portion in session.portions(strands, budget=200)}
    assert served == {"large", "small"}


def test_what_is_older_than_the_window_comes_from_the_log(strand: Callable[..., Strand]) -> None:
    long = strand("r", 200, size=WINDOW_BYTES // 50)
    assert long.window.first is not None
    assert long.window.first > 100
    assert drained(Session((), {}), [long], 1 << 20) == [("b", seq) for seq in range(200)]


def test_a_viewer_that_fell_behind_the_window_reads_the_log_again(
    strand: Callable[..., Strand], tmp_path: Path
) -> None:
    one = strand("r", 50)
    one.window = Window(max_bytes=1_000)
    session = Session((), {})
    seen: list[tuple[str, int]] = []
    for first, end in ((50, 500), (500, 1_000), (1_000, 1_500)):
        with (tmp_path / "r-b.dlog").open("ab") as log:
            log.write(b"".join(pack(seq, bytes(10)) for seq in range(first, end)))
        one.pump_log(now=0.0)
        seen += drained(session, [one], budget=300)
    assert seen == [("b", seq) for seq in range(1_500)]


def test_a_viewer_that_comes_back_gets_only_what_it_lacks(strand: Callable[..., Strand]) -> None:
    long = strand("r", 200, size=WINDOW_BYTES // 50)
    for have in (10, 150, 198):
        session = Session((), {("r", "b", 0): have})
        assert drained(session, [long], 1 << 20) == [("b", seq) for seq in range(have + 1, 200)]


def test_boots_of_a_run_never_mix(strand: Callable[..., Strand]) -> None:
    newer, older = strand("r", 5, boot="new", started=2.0), strand("r", 5, boot="old", started=1.0)
    order = drained(Session((), {}), [newer, older], budget=60)
    assert order == [(boot, seq) for boot in ("old", "new") for seq in range(5)]


def test_two_processes_under_one_name_never_mix(strand: Callable[..., Strand]) -> None:
    older, newer = strand("r", 2, boot="old", started=1.0), strand("r", 2, boot="new", started=2.0)
    session = Session((), {})
    order = drained(session, [older, newer], budget=1 << 20)
    older.offer_live(Frame(2, bytes(10)), now=0.0)
    newer.offer_live(Frame(2, bytes(10)), now=0.0)
    order += drained(session, [older, newer], budget=1 << 20)
    assert order == [("old", 0), ("old", 1), ("new", 0), ("new", 1), ("new", 2)]


def test_the_state_comes_after_the_last_of_the_data_and_once(strand: Callable[..., Strand]) -> None:
    one = strand("r", 10)
    session = Session((), {})
    told = [portion.state for _ in range(15) for portion in session.portions([one], budget=1)]
    assert [state is not None for state in told] == [False] * 9 + [True]


def test_runs_that_were_not_asked_for_do_not_come(strand: Callable[..., Strand]) -> None:
    strands = [strand("wanted", 3), strand("other", 3)]
    portions = Session(["wanted"], {}).portions(strands, 1 << 20)
    assert [portion.run for portion in portions] == ["wanted"]


def test_a_log_that_vanished_ends_the_search_for_its_history(strand: Callable[..., Strand], tmp_path: Path) -> None:
    long = strand("r", 200, size=WINDOW_BYTES // 50)
    first = long.window.first
    assert first is not None
    (tmp_path / "r-b.dlog").unlink()
    assert drained(Session((), {}), [long], 1 << 20) == [("b", seq) for seq in range(first, 200)]


def test_live_frames_join_those_of_the_log(strand: Callable[..., Strand]) -> None:
    one = strand("r", 3)
    one.offer_live(Frame(2, bytes(10)), now=0.0)
    one.offer_live(Frame(4, bytes(10)), now=0.0)
    one.offer_live(Frame(3, bytes(10)), now=0.0)
    assert drained(Session((), {}), [one], 1 << 20) == [("b", seq) for seq in range(5)]


def test_a_live_strand_without_a_log_begins_with_its_greeting(hello: Callable[..., wire.Hello]) -> None:
    one = Strand(Member("r", "b", 0, "r", log="", started=1.0, **GONE))  # type: ignore[arg-type]
    for seq in (0, 500, 501):
        one.offer_live(Frame(seq, wire.encode(hello())), now=10.0)
    one.pump_log(now=11.0)
    assert drained(Session((), {}), [one], 1 << 20) == [("b", 0), ("b", 500), ("b", 501)]


# --- a link that cannot carry all of it -----------------------------------------------------------------------


@pytest.fixture
def logging(strand: Callable[..., Strand], rows: Callable[..., wire.Batch], tmp_path: Path) -> Callable[..., Strand]:
    """A strand whose log holds *count* batches of one row each."""

    def make(run: str, count: int) -> Strand:
        log = tmp_path / f"{run}-b.dlog"
        log.write_bytes(MAGIC + b"".join(pack(seq, wire.encode(rows(seq))) for seq in range(count)))
        return Strand(Member(run, "b", 0, run, log=str(log), started=1.0, **GONE))  # type: ignore[arg-type]

    return make


def test_what_a_link_cannot_carry_in_time_is_thinned_and_said_to_be(logging: Callable[..., Strand]) -> None:
    one = logging("r", 5_000)
    session = Session((), {})
    (portion,) = session.portions([one], budget=2_000, patience=4_000)
    assert (portion.upto, portion.lost) == (4_999, 0)
    assert 4_900 < portion.left_out < 5_000
    assert len(portion.data) < 3_000
    assert portion.state is not None  # told with the last of the data
    assert session.portions([one], budget=2_000, patience=4_000) == []


def test_what_fits_is_not_thinned(logging: Callable[..., Strand]) -> None:
    (portion,) = Session((), {}).portions([logging("r", 20)], budget=2_000, patience=4_000)
    assert (portion.upto, portion.left_out) == (-1, 0)
    assert seqs(portion) == list(range(20))


def test_without_patience_nothing_is_ever_thinned(logging: Callable[..., Strand]) -> None:
    one = logging("r", 2_000)
    assert drained(Session((), {}), [one], budget=500) == [("b", seq) for seq in range(2_000)]


def test_a_little_run_is_whole_beside_a_large_one(logging: Callable[..., Strand]) -> None:
    strands = [logging("large", 5_000), logging("little", 5)]
    portions = {p.run: p for p in Session((), {}).portions(strands, budget=2_000, patience=4_000)}
    assert seqs(portions["little"]) == list(range(5))
    assert portions["large"].left_out > 4_900
    assert sum(len(portion.data) for portion in portions.values()) < 3_000


def test_after_an_extract_the_rest_comes_whole(logging: Callable[..., Strand], rows: Callable[..., wire.Batch]) -> None:
    one = logging("r", 5_000)
    session = Session((), {})
    session.portions([one], budget=2_000, patience=4_000)
    one.offer_live(Frame(5_000, wire.encode(rows(5_000))), now=0.0)
    (portion,) = session.portions([one], budget=2_000, patience=4_000)
    assert (portion.upto, seqs(portion)) == (-1, [5_000])


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        (["a-1"], {"a-1"}),
        (["a"], {"a"}),  # exactly this one, which may still come
        (["a*"], {"a-1", "a-2"}),
        (["a-1*"], {"a-1"}),
        (["second*"], {"a-2"}),
        (["none*"], set()),
    ],
)
def test_a_run_is_asked_for_by_its_id_its_name_or_its_beginning(asked: list[str], meant: set[str]) -> None:
    members = [
        Member(run, "b", 0, name, log="", started=1.0, **GONE)  # type: ignore[arg-type]
        for run, name in (("a-1", "first"), ("a-2", "second"), ("b-1", "third"))
    ]
    assert wanted_runs(members, asked) == meant
