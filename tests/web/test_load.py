"""Hundreds of clients, many of them misbehaving: memory stays flat, and all others are served."""

import json
import random
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.run import TIMEOUT
from tests.support.server import Server, resident_bytes, serving

CLIENTS, ROUNDS = 64, 10
MAX_GROWTH = 8_000_000  # bytes after the first quarter of the rounds


def ask(server: Server, number: int) -> str:
    """Be one client: read all, read slowly, or disconnect in the middle; return which."""
    generator = random.Random(number)
    kind = generator.choice(["whole", "stream", "slow", "disconnect early", "disconnect waiting"])
    fields = {
        "prompt": f"Number {number}", "max_tokens": 40, "stream": kind != "whole",
        "ignore_eos": True, "logprobs": generator.choice([None, None, None, 2]),
    }  # fmt: skip
    body = json.dumps(fields).encode()
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as connection:
        head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        if kind == "disconnect waiting":
            return kind
        data = b""
        while part := connection.recv(64 if kind == "slow" else 65536):
            data += part
            if kind == "disconnect early":
                return kind
    status = int(data[9:12])
    assert status == 200, data[:200]
    assert kind == "whole" or data.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n"), data[-200:]
    return kind


@pytest.mark.timeout(600)
def test_64_clients_and_flat_memory(env: dict[str, str], tiny: Path) -> None:
    memory = []
    with (
        serving("--model", str(tiny), "--parallel", "16", "--queue", "200", env=env) as server,
        ThreadPoolExecutor(CLIENTS) as pool,
    ):
        for round_ in range(ROUNDS):
            numbers = range(round_ * CLIENTS, (round_ + 1) * CLIENTS)
            kinds = list(pool.map(lambda number: ask(server, number), numbers))
            assert len(set(kinds)) == 5
            wait_until_empty(server)
            memory.append(resident_bytes(server))
        steps = server.metric("distil_batch_steps_total")
        assert server.metric("distil_batch_tokens_total") / steps > 2  # they shared batches
        assert server.end() == 0
    growth = max(memory) - memory[ROUNDS // 4]
    print(f"resident after each round, MB: {[round(bytes_ / 1e6, 1) for bytes_ in memory]}")
    assert growth < MAX_GROWTH


def wait_until_empty(server: Server) -> None:
    deadline = time.monotonic() + TIMEOUT
    while server.metric("distil_open"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_clients_that_never_read_are_disconnected_and_delay_nobody(env: dict[str, str]) -> None:
    fields = {"max_tokens": 1000, "ignore_eos": True, "stream": True, "n": 4}
    body = json.dumps(fields).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    with serving("--model", "demo", "--parallel", "16", "--timeout", "20", env=env) as server:
        readers = []
        for _ in range(3):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            connection.connect(("127.0.0.1", server.port))
            connection.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
            readers.append(connection)
        while server.metric("distil_open"):
            answer = server.complete(max_tokens=5, ignore_eos=True)
            assert answer.status == 200
            time.sleep(0.2)
        for connection in readers:
            connection.close()
        assert server.end() == 0
