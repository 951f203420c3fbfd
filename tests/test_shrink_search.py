"""Searching for small files: what is tried, in which order, and that nothing is tried twice."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import helpers_shrink
import pytest
from helpers_postgres import PASSWORD, free_port, postgres, programs
from helpers_shrink import HEARTBEAT, LIMIT, MOST, QuickWorkshop, facts, search

from edgedigits.errors import RunError, StorageError, UsageError
from edgedigits.prune.channels import narrowed_sizes, remove, strongest
from edgedigits.shrink.candidate import Candidate
from edgedigits.shrink.planning import next_stage
from edgedigits.shrink.result import Limit, Trial, best, nearest
from edgedigits.shrink.storage import load_optuna, open_study
from edgedigits.shrink.travelling import Parcel, pack, read_parcel, unpack

DENSE = ("dense_1", "dense_2")

needs_postgres = pytest.mark.skipif(
    programs() is None and os.environ.get("CI") != "1", reason="PostgreSQL is not installed"
)


def trial(number: int, candidate: Candidate, size: int, drop: float, stage: str = "") -> Trial:
    return Trial(number, candidate, stage, bytes=size, gzip_bytes=size, n=1000, drop=drop)


def tried(steps: dict[Candidate, float], limit: Limit) -> list[Candidate]:
    """What is tried when candidates lose what ``steps`` says, and all others 9 points."""
    found: list[Trial] = []
    while (stage := next_stage(found, facts(), limit)) is not None and stage.name != "sampled":
        for candidate in stage.candidates:
            size = facts().estimate(candidate)
            lost = steps.get(candidate, 9.0)
            found.append(trial(len(found), candidate, size, lost, stage.name))
    return [one.candidate for one in found]


def test_candidates_are_cheapest_first_and_halve_the_step() -> None:
    mixes = ("dense_1",), ("dense_2",), DENSE
    lost = {Candidate(): 0.0, Candidate(4, 4): 0.5, **{Candidate(int4=mix): 1.5 for mix in mixes}}
    order = tried(lost, Limit(max_drop=1.0))
    assert order[:4] == [
        Candidate(),
        Candidate(int4=("dense_1",)),
        Candidate(int4=("dense_2",)),
        Candidate(int4=DENSE),
    ]
    # A quarter is good, an eighth is not: what lies between is tried, then the best in four bits.
    assert order[4:7] == [Candidate(4, 4), Candidate(6, 6), Candidate(5, 5)]
    assert order[7:9] == [Candidate(4, 4, int4=DENSE), Candidate(4, 4, int4=("dense_1",))]


def test_four_bits_go_first_where_they_cost_least() -> None:
    alone = {"dense_1": 0.1, "dense_2": 0.4, "dense_3": 0.2}
    three = replace(facts(), layers=(*facts().layers, replace(facts().layers[1], name="dense_3")))
    limit = Limit(max_drop=0.3)
    found = [trial(0, Candidate(), 100_000, 0.0)]
    for name, lost in alone.items():
        size = 100_000 - (160 if name == "dense_2" else 25_000)
        found.append(trial(len(found), Candidate(int4=(name,)), size, lost))
    found.append(trial(4, Candidate(int4=three.dense), 50_000, 0.7))
    stage = next_stage(found, three, limit)
    assert stage is not None
    assert (stage.name, stage.candidates) == ("mixed", (Candidate(int4=("dense_1", "dense_3")),))


def test_the_sampler_proposes_what_is_smaller_and_near_the_best() -> None:
    sizes = [Candidate(), *(Candidate(int4=mix) for mix in (("dense_1",), ("dense_2",), DENSE))]
    sizes += [Candidate(4, 4), Candidate(6, 6), Candidate(5, 5), Candidate(4, 4, DENSE)]
    sizes += [Candidate(4, 4, ("dense_1",))]
    lost = {Candidate(6, 6): 9.0, Candidate(5, 5): 4.0}
    found = [
        trial(number, one, facts().estimate(one), lost.get(one, 0.0), "narrower")
        for number, one in enumerate(sizes)
    ]
    good = best(found, LIMIT)
    assert good is not None
    assert good.candidate == Candidate(4, 4, DENSE)
    stage = next_stage(found, facts(), LIMIT)
    assert stage == next_stage(found, facts(), LIMIT)  # every worker proposes the same
    assert stage is not None
    assert stage.name == "sampled"
    for candidate in stage.candidates:
        assert candidate not in sizes
        assert facts().estimate(candidate) < good.bytes
        assert max(abs(candidate.filters - 4), abs(candidate.units - 4)) <= 3


def test_qat_where_int8_loses_too_much() -> None:
    assert Candidate(qat=True) in tried({Candidate(int4=DENSE): 0.0}, Limit(max_drop=0.5))


def test_with_bytes_alone_what_fits_is_tried() -> None:
    limit = Limit(max_bytes=20_000)
    order = tried({}, limit)
    for candidate in order[4:]:
        assert facts().estimate(candidate) <= 20_000
    widest = next(c for c in order[4:] if not c.int4)
    wider = replace(widest, filters=widest.filters - 1, units=widest.units - 1)
    assert facts().estimate(wider) > 20_000


def test_sizes_are_those_of_the_narrowed_model() -> None:
    links = facts().links
    assert links is not None
    share = Candidate(filters=2, units=4).removed()
    assert share == {"Conv2D": 0.5, "Dense": 0.75}
    narrowed = [link for link in remove(links, strongest(links, share)) if link.weights]
    shapes = [link.weights[0].shape for link in narrowed]
    assert shapes == [(3, 3, 1, 4), (14 * 14 * 4, 8), (8, 10)]
    assert narrowed_sizes(links, share) == (
        ("conv", "Conv2D", 36, 4),
        ("dense_1", "Dense", 6272, 8),
        ("dense_2", "Dense", 80, 10),
    )
    everything = facts().estimate(Candidate()) - facts().estimate(Candidate(int4=DENSE))
    assert everything == (50_176 + 320) // 2


def test_the_best_and_the_nearest() -> None:
    trials = [
        trial(0, Candidate(), 1000, 0.0),
        trial(1, Candidate(4, 4), 100, 0.3),
        trial(2, Candidate(6, 6), 50, 0.6),
        replace(trial(3, Candidate(8, 8), 0, 0.0), message="no"),
    ]

    def numbers(limit: Limit) -> tuple[int | None, int | None]:
        good, close = best(trials, limit), nearest(trials, limit)
        return (good.number if good else None), (close.number if close else None)

    assert numbers(Limit(max_drop=0.3)) == (1, 1)
    assert numbers(Limit(max_drop=1.0)) == (2, 2)
    assert numbers(Limit(max_bytes=100)) == (1, 2)  # the least lost of what is small enough
    assert numbers(Limit(max_drop=0.1, max_bytes=70)) == (None, 0)
    assert numbers(Limit(max_bytes=10)) == (None, 2)


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        (Limit(), "add --max-drop POINTS or --max-bytes N"),
        (Limit(max_drop=-0.1), "--max-drop -0.1"),
        (Limit(max_drop=float("nan")), "--max-drop nan"),
        (Limit(max_bytes=0), "--max-bytes 0"),
    ],
)
def test_limits_that_make_no_sense(limit: Limit, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        limit.check()


def test_candidates_survive_being_parameters() -> None:
    for candidate in (
        Candidate(),
        Candidate(3, 12, ("dense_2",)),
        Candidate(qat=True, clusters=16),
    ):
        text = json.dumps(candidate.params(DENSE))
        assert Candidate.from_params(json.loads(text)) == candidate


def test_a_file_travels_and_a_damaged_one_is_noticed(tmp_path: Path) -> None:
    file, model = tmp_path / "a.tflite", tmp_path / "model.keras"
    file.write_bytes(os.urandom(1000))
    model.write_bytes(os.urandom(2000))
    (tmp_path / "a.json").write_text('{"x": 1}')
    sent = pack(read_parcel(file, model))
    assert sent is not None
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    found = unpack(json.loads(json.dumps(sent)), digest)
    assert found is not None
    whole = file.read_bytes(), '{"x": 1}', model.read_bytes()
    assert (found.data, found.sidecar, found.model) == whole
    assert unpack({}, digest) is None
    for damaged in ({**sent, "file": sent["file"][:-8]}, {**sent, "keras": "?"}):
        with pytest.raises(StorageError, match="damaged"):
            unpack(damaged, digest)
    assert pack(Parcel(os.urandom((4 << 20) + 1), "{}", b"")) is None


def _begun(folder: Path) -> Counter[str]:
    """How often each candidate was begun."""
    lines = (folder / "begun").read_text().splitlines()
    return Counter(line.partition(" ")[2] for line in lines)


def test_a_search_ends_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    workshop = QuickWorkshop(tmp_path)
    with open_study("test", tmp_path, None) as study:
        first = search(study, workshop, shared=False, most=5)
    assert [one.number for one in first] == [0, 1, 2, 3, 4]
    with open_study("test", tmp_path, None) as study:
        second = search(study, workshop, shared=False)
        assert study.trials[4].params["filters"] == second[4].candidate.filters == 4
    assert second[:5] == first
    assert len(second) == MOST
    assert set(_begun(tmp_path).values()) == {1}
    # All are equally right, so the smallest that was tried is the best.
    chosen = best(second, LIMIT)
    assert chosen is not None
    assert chosen.bytes == min(one.bytes for one in second)
    assert chosen.bytes < second[0].bytes


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_search_goes_on(tmp_path: Path, how: signal.Signals) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path\n"
        "from helpers_shrink import *\n"
        "with open_study('test', Path(sys.argv[1]), None) as study:\n"
        "    search(study, QuickWorkshop(Path(sys.argv[1]), 'killed', 3), shared=False)\n"
    )
    here = str(Path(helpers_shrink.__file__).parent)
    worker = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path), here],
        stderr=subprocess.DEVNULL,
        # A background job is started with Ctrl-C ignored, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    _wait_until(lambda: (tmp_path / "hangs").exists(), worker)
    with (
        pytest.raises(RunError, match="another 'edgedigits shrink' works on this run"),
        open_study("test", tmp_path, None),
    ):
        pass
    worker.send_signal(how)
    worker.wait(30)
    with (tmp_path / "journal.log").open("a") as journal:
        journal.write('{"op_code": 4, "wor')  # what it had begun to write
    with open_study("test", tmp_path, None) as study:
        found = search(study, QuickWorkshop(tmp_path), shared=False)
    begun = _begun(tmp_path)
    assert sorted(begun.values()) == [1] * (len(begun) - 1) + [2]
    assert len(found) == len(begun) == MOST
    assert len({one.candidate for one in found}) == MOST


def test_a_trial_that_was_taken_over_ends_nothing(tmp_path: Path) -> None:
    """As where a worker slept through its grace: its trial has failed when it comes back."""
    workshop = QuickWorkshop(tmp_path)
    make = workshop.file

    def file(candidate: Candidate) -> Path:
        if workshop.begun == 2:
            (running,) = (one for one in study.trials if one.state.name == "RUNNING")
            study.tell(running.number, state=load_optuna().trial.TrialState.FAIL)
        return make(candidate)

    workshop.file = file  # type: ignore[method-assign]
    with open_study("test", tmp_path, None) as study:
        found = search(study, workshop, shared=False)
    assert len(found) == len({one.candidate for one in found}) == MOST


def test_a_damaged_journal_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "journal.log").write_text("not a journal\n{}\n")
    with (
        pytest.raises(RunError, match=r"journal\.log: cannot be read as a search's journal"),
        open_study("test", tmp_path, None),
    ):
        pass


def _wait_until(reached: object, worker: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while not reached():  # type: ignore[operator]
        assert worker.poll() is None, "the worker ended"
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgres() as url:
        yield url


@needs_postgres
def test_two_workers_share_a_database_and_one_is_killed(database: str, tmp_path: Path) -> None:
    """The other one takes over its trial; nothing is lost, and nothing evaluated twice."""

    def start(name: str, hang: int) -> subprocess.Popen[bytes]:
        arguments = [helpers_shrink.__file__, database, str(tmp_path), name, str(hang)]
        return subprocess.Popen([sys.executable, *arguments])

    killed = start("killed", 2)
    try:
        _wait_until(lambda: (tmp_path / "hangs").exists(), killed)
        other = start("other", -1)
        try:
            _wait_until(lambda: "other " in (tmp_path / "begun").read_text(), other)
            killed.kill()
            assert other.wait(240) == 0
        finally:
            other.kill()
    finally:
        killed.kill()
        killed.wait()
    with open_study("test", tmp_path, database, HEARTBEAT) as study:
        enqueued = [one for one in study.trials if "fixed_params" in one.system_attrs]
        states = Counter(one.state.name for one in enqueued)
        found = search(study, QuickWorkshop(tmp_path), shared=True)  # nothing is left to do
    assert not states["RUNNING"]
    assert not states["WAITING"]
    assert states["FAIL"] == 1
    begun = _begun(tmp_path)
    assert sorted(begun.values()) == [1] * (len(begun) - 1) + [2]  # the killed one's last
    assert len(found) == len({one.candidate for one in found}) == len(begun) == MOST
    lines = [line.split(" ", 1) for line in (tmp_path / "begun").read_text().splitlines()]
    by_killed = [candidate for name, candidate in lines if name == "killed"]
    taken_over = [candidate for name, candidate in lines if name == "other"]
    assert len(by_killed) == 3
    assert by_killed[2] in taken_over
    assert not set(by_killed[:2]) & set(taken_over)
    workers = {json.dumps(one.candidate.params(DENSE)): one.worker for one in found}
    assert len(set(workers.values())) == 2
    assert workers[by_killed[0]] == workers[by_killed[1]] != workers[by_killed[2]]


def _opened_at_once(url: str, folder: Path, workers: int = 4) -> list[str]:
    """Of workers that open a new database at the same moment: what each then knows of its study."""
    start = threading.Barrier(workers)

    def work(number: int) -> str:
        start.wait()
        with open_study("test", folder, url) as study:
            study.set_user_attr(f"worker {number}", number)
            return str(study.study_name)

    with ThreadPoolExecutor(workers) as pool:
        names = list(pool.map(work, range(workers)))
    with open_study("test", folder, url) as study:
        assert len(study.user_attrs) == workers
    return names


def test_workers_that_start_at_the_same_moment(tmp_path: Path) -> None:
    for attempt in range(3):
        url = f"sqlite:///{tmp_path}/{attempt}.db"
        assert _opened_at_once(url, tmp_path) == ["test"] * 4


@needs_postgres
def test_workers_that_start_at_the_same_moment_on_a_server(tmp_path: Path) -> None:
    with postgres() as url:
        assert _opened_at_once(url, tmp_path) == ["test"] * 4


@needs_postgres
def test_a_wrong_password_is_told_without_it(database: str, tmp_path: Path) -> None:
    wrong = database.replace(PASSWORD, "wr0ng")
    with (
        pytest.raises(StorageError, match="password authentication failed") as caught,
        open_study("test", tmp_path, wrong),
    ):
        pass
    assert "wr0ng" not in str(caught.value)
    assert "worker:***@127.0.0.1" in str(caught.value)


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("postgresql://me:s3cret@127.0.0.1:{port}/x", StorageError, "efused"),
        ("postgresql+psycopg://me:s3cret@no-such-host.invalid/x", StorageError, "no-such-host"),
        ("not an address", UsageError, "is no address of a database"),
        ("nothing+psycopg://me:s3cret@host/x", UsageError, "is no address of a database"),
        ("sqlite:////no/such/folder/x.db", StorageError, "unable to open database file"),
    ],
)
def test_addresses_that_lead_nowhere(
    url: str, error: type[Exception], message: str, tmp_path: Path
) -> None:
    url = url.format(port=free_port())
    with pytest.raises(error, match=message) as caught, open_study("test", tmp_path, url):
        pass
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)
