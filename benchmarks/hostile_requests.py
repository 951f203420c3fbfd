"""Hostile requests to the pages of a running camera: nothing shown that should not be, no exit.

    python benchmarks/hostile_requests.py [--requests 5000] [--seed 0]

Two cameras run on a stream, each with its preview and its metrics: one for this machine alone, one
with a token. Bad paths, headers, bodies, methods, versions and tokens, noise, connections that are
cut, that send a byte now and then or read nothing. In between each page is asked as it should be,
and has to answer. Writes ``benchmarks/results/hostile-requests.json``; exits with 1 where anything
was shown that should not be, a page did not answer, or a camera ended or leaked.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from hostile_cases import CANARY, Case, Target, cases, request

from edgedigits.files import write_json
from edgedigits.provenance import host_facts, package_versions

RESULT = Path(__file__).parent / "results" / "hostile-requests.json"
TOKEN = "S3cret-of-the-owner"
PATIENCE = 20.0  # seconds for one answer
WARM_UP = 20  # times that every page is asked properly before memory is looked at
EVERY = 200  # requests between questions whether all still answer
AS_IT_WAS = 45.0  # seconds after which nothing of what was hostile may be left
NEVER = (b"Traceback", b"root:x:0", b"Python/", CANARY)  # in no answer whatever
GROWTH = 10_000_000  # bytes that a camera may have grown; frames being drawn are some


@contextlib.contextmanager
def stream() -> Iterator[str]:
    """An MJPEG stream of a page with a number on it; gives its address."""
    page = np.full((480, 640), 225, np.uint8)
    cv2.putText(page, "314", (120, 280), cv2.FONT_HERSHEY_SIMPLEX, 4, 20, 10)
    jpeg = cv2.imencode(".jpg", page)[1].tobytes()
    part = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg) + jpeg
    closing = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            with contextlib.suppress(OSError):
                while not closing.wait(0.1):
                    self.wfile.write(part + b"\r\n")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        closing.set()
        server.shutdown()
        server.server_close()


@dataclass
class Camera:
    """A running camera and its pages."""

    process: subprocess.Popen[str]
    targets: tuple[Target, ...]
    said: list[str] = field(default_factory=list)

    def facts(self) -> dict[str, int]:
        """Resident bytes, threads and open files."""
        folder = Path("/proc") / str(self.process.pid)
        status = dict(re.findall(r"^(\w+):\s+(\d+)", (folder / "status").read_text(), re.M))
        return {
            "resident_bytes": 1024 * int(status["VmRSS"]),
            "threads": int(status["Threads"]),
            "open_files": sum(1 for _ in (folder / "fd").iterdir()),
        }


def start_camera(source: str, token: str | None) -> Camera:
    """Start a camera with both pages; returns once they are there."""
    command = [sys.executable, "-m", "edgedigits.cli.main", "camera", "--source", source]
    command += ["--preview", "--port", "0", "--metrics", "0", "--json"]
    command += ["--token", token] if token else []
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    ports: dict[str, int] = {}
    for line in process.stderr:
        if match := re.match(r"(preview|metrics): http://127\.0\.0\.1:(\d+)/", line):
            ports[match[1]] = int(match[2])
        if len(ports) == 2:
            break
    whose = "token" if token else "open"
    preview = Target(
        f"preview, {whose}", ports["preview"], token, ("/", "/frame.jpg", "/state.json"),
        (b"edgedigits camera", b"\xff\xd8\xff", b'"schema_version"'),
    )  # fmt: skip
    metrics = Target(
        f"metrics, {whose}", ports["metrics"], token, ("/metrics",), (b"edgedigits_frames",)
    )
    camera = Camera(process, (preview, metrics))
    stderr = process.stderr
    threading.Thread(target=lambda: camera.said.extend(stderr), daemon=True).start()
    return camera


def send(target: Target, case: Case) -> tuple[bytes, float] | socket.socket | None:
    """Send a request.

    Returns:
        The answer and the seconds it took; of what hangs the connection; None where it was cut.
    """
    connection = socket.create_connection(("127.0.0.1", target.port), PATIENCE)
    began = time.perf_counter()
    answer = b""
    with contextlib.suppress(OSError):  # the other side may refuse to read any more
        connection.sendall(case.data)
        if case.ending == "cut":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif case.ending == "read":
            connection.shutdown(socket.SHUT_WR)
    if case.ending in ("slow", "unread"):
        return connection
    if case.ending == "read":
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(1 << 16):
                answer += part
    connection.close()
    return None if case.ending == "cut" else (answer, time.perf_counter() - began)


def fault(target: Target, case: Case, answer: bytes) -> str | None:
    """What is wrong with an answer, or None."""
    shown = any(mark in answer for mark in target.marks)
    if any(never in answer for never in NEVER):
        return "holds what no answer may"
    if target.token and target.token.encode() in answer:
        return "holds the token"
    if answer.count(b"HTTP/1.1 ") > 1:
        return "holds two answers"
    if case.shows is False and shown:
        return "shows a page"
    if case.shows is True and not (shown and answer.startswith(b"HTTP/1.1 200 ")):
        return "shows no page"
    return None


def status(answer: bytes) -> str:
    """Of an answer, for the counts."""
    match = re.match(rb"HTTP/1\.[01] (\d{3}) ", answer)
    return match[1].decode() if match else "text only" if answer else "closed"


def ask(targets: Sequence[Target]) -> list[str]:
    """Every page as it should be asked; which of them did not answer."""
    wrong = []
    for target in targets:
        for path in target.pages:
            case = Case("proper", request(target, path), True)
            try:
                answered = send(target, case)
                assert isinstance(answered, tuple)
                why = fault(target, case, answered[0])
            except OSError as error:
                why = f"{type(error).__name__}: {error}"
            if why:
                wrong.append(f"{target.name} {path}, asked properly: {why}")
    return wrong


@dataclass
class Counts:
    """What came of all requests."""

    statuses: dict[str, collections.Counter[str]]
    failures: list[str]
    hanging: list[socket.socket]
    longest: float = 0.0
    asked: int = 0


def attack(targets: Sequence[Target], count: int, seed: int) -> Counts:
    """Send hostile requests, and ask properly in between."""
    counts = Counts(collections.defaultdict(collections.Counter), [], [])
    for number, (target, case) in enumerate(cases(targets, count, seed)):
        if number % EVERY == 0:
            counts.failures += ask(targets)
            counts.asked += sum(len(target.pages) for target in targets)
        if number % 50 == 0:
            _drip(counts.hanging)
        try:
            answered = send(target, case)
        except OSError as error:
            counts.failures.append(f"request {number} ({case.kind}) to {target.name}: {error}")
            continue
        if isinstance(answered, tuple):
            answer, seconds = answered
            counts.statuses[case.kind][status(answer)] += 1
            counts.longest = max(counts.longest, seconds)
            if why := fault(target, case, answer):
                sent = case.data[:120]
                counts.failures.append(f"request {number} to {target.name} {sent!r}: {why}")
        else:
            counts.statuses[case.kind]["left open" if answered else "cut"] += 1
            if answered:
                counts.hanging.append(answered)
    return counts


def _drip(hanging: Sequence[socket.socket]) -> None:
    """A byte more from each slow sender; those that were ended do not mind."""
    for connection in hanging:
        with contextlib.suppress(OSError):
            connection.send(b"x")


def _settled(camera: Camera, before: dict[str, int]) -> dict[str, int]:
    """What a camera holds once all that hung was ended, by it and not by us."""
    until = time.monotonic() + AS_IT_WAS
    while time.monotonic() < until:
        now = camera.facts()
        if now["threads"] <= before["threads"] and now["open_files"] <= before["open_files"]:
            break
        time.sleep(0.5)
    return camera.facts()


def run(count: int, seed: int, more: Sequence[Target] = ()) -> dict[str, Any]:
    """Attack, and see what is left.

    Args:
        count: requests. seed: of them.
        more: pages of other programs that run already.
    """
    with stream() as source:
        cameras = [start_camera(source, None), start_camera(source, TOKEN)]
        targets = [*(target for camera in cameras for target in camera.targets), *more]
        try:
            _wait_for_frames(targets)
            before = [camera.facts() for camera in cameras]
            counts = attack(targets, count, seed)
            after = [_settled(camera, was) for camera, was in zip(cameras, before, strict=True)]
            counts.failures += ask(targets)
            ends = [_stop(camera) for camera in cameras]
        finally:
            for camera in cameras:
                camera.process.kill()
            for connection in counts.hanging if "counts" in locals() else ():
                connection.close()
    failures = counts.failures + _faults_of(cameras, before, after, ends)
    return {
        "requests": count,
        "seed": seed,
        "targets": [target.name for target in targets],
        "answers": {kind: dict(sorted(of.items())) for kind, of in sorted(counts.statuses.items())},
        "proper_requests": counts.asked,
        "longest_answer_seconds": counts.longest,
        "cameras": [
            {"before": was, "after": now, "exit_code": end}
            for was, now, end in zip(before, after, ends, strict=True)
        ],
        "failures": failures,
    }


def _wait_for_frames(targets: Sequence[Target]) -> None:
    """Until there is a first picture, and everything has been asked for a few times."""
    until = time.monotonic() + 60
    while wrong := ask(targets):
        if time.monotonic() > until:
            raise SystemExit(f"the cameras do not start: {wrong}")
        time.sleep(0.2)
    for _ in range(WARM_UP):
        ask(targets)


def _stop(camera: Camera) -> int | None:
    """The exit code of a camera that is told to end; None where it had ended before."""
    if camera.process.poll() is not None:
        return None
    camera.process.send_signal(signal.SIGTERM)
    return camera.process.wait(PATIENCE)


def _faults_of(
    cameras: Sequence[Camera],
    before: Sequence[dict[str, int]],
    after: Sequence[dict[str, int]],
    ends: Sequence[int | None],
) -> list[str]:
    faults = []
    for camera, was, now, end in zip(cameras, before, after, ends, strict=True):
        name = camera.targets[0].name
        if end != 0:
            faults.append(f"{name}: the camera ended with {end}")
        if now["threads"] > was["threads"] or now["open_files"] > was["open_files"]:
            faults.append(f"{name}: left behind: {was} before, {now} after")
        if now["resident_bytes"] - was["resident_bytes"] > GROWTH:
            faults.append(f"{name}: grew from {was} to {now}")
        if noise := [line for line in camera.said if "Traceback" in line or "Exception" in line]:
            faults.append(f"{name}: said {noise[0].strip()}")
    return faults


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULT, help="where to write the result")
    asked = parser.parse_args()
    began = time.perf_counter()
    command = f"python benchmarks/hostile_requests.py --requests {asked.requests}"
    document = {
        "command": f"{command} --seed {asked.seed}",
        **run(asked.requests, asked.seed),
        "seconds": time.perf_counter() - began,
        "versions": package_versions("prometheus-client", "numpy"),
        "host": host_facts(),
    }
    write_json(asked.out, document)
    print(f"written: {asked.out}: {len(document['failures'])} failures", file=sys.stderr)
    for failure in document["failures"][:20]:
        print(failure, file=sys.stderr)
    sys.exit(bool(document["failures"]))


if __name__ == "__main__":
    main()
