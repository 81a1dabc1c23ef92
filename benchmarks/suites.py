"""What a suite costs beside the same one on a peer's plugin: `python benchmarks/suites.py [TESTS]`.

Each test has the plugin's server and asks it once or twice, as most tests do. Ours is a fresh server for each test;
pytest-httpserver and pytest-localftpserver have one for the run or the module. Each run of pytest loads the one plugin
alone. What is compared is the processor's time of the whole run, plugins and servers loaded, for that is what a busy
machine has too little of.
"""

from __future__ import annotations

import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile

from peers import ROUNDS, heading

PEERS = pathlib.Path(__file__).resolve().parent.parent / ".venv" / "peers"

HEAD = """
import ftplib, http.client, smtplib, time
import pytest

def get(host, port, times):
    for _ in range(times):
        client = http.client.HTTPConnection(host, port, timeout=5)
        client.request("GET", "/")
        assert client.getresponse().read() == b"ok"
        client.close()

def send(host, port):
    with smtplib.SMTP(host, port, local_hostname="localhost", timeout=5) as client:
        client.sendmail("a@b.c", ["d@e.f"], "Subject: x\\r\\n\\r\\nhello")

def log_in(host, port, user, password):
    with ftplib.FTP(timeout=5) as client:
        while True:
            try:
                client.connect(host, port)
                break
            except ConnectionRefusedError:  # a server that is given before it listens
                time.sleep(0.01)
        client.login(user, password)
        client.pwd()
"""

OURS = "pytest_netmocks.plugin"

SUITES = {
    "HTTP, one request": (
        (OURS, "http_server", "http_server.when('/').reply(text='ok'); get(http_server.host, http_server.port, 1)"),
        (
            "pytest_httpserver.pytest_plugin",
            "httpserver",
            "httpserver.expect_request('/').respond_with_data('ok'); get(httpserver.host, httpserver.port, 1)",
        ),
    ),
    "HTTP, two requests": (
        (OURS, "http_server", "http_server.when('/').reply(text='ok'); get(http_server.host, http_server.port, 2)"),
        (
            "pytest_httpserver.pytest_plugin",
            "httpserver",
            "httpserver.expect_request('/').respond_with_data('ok'); get(httpserver.host, httpserver.port, 2)",
        ),
    ),
    "SMTP, one message": (
        (OURS, "smtp_server", "send(smtp_server.host, smtp_server.port); assert len(smtp_server.messages) == 1"),
        ("smtpdfix.fixture", "smtpd", "send(smtpd.hostname, smtpd.port); assert len(smtpd.messages) == 1"),
    ),
    "FTP, one login": (
        (OURS, "ftp_server", "log_in(ftp_server.host, ftp_server.port, 'anonymous', 'x')"),
        (
            "pytest_localftpserver.plugin",
            "ftpserver",
            "data = ftpserver.get_login_data(); log_in(data['host'], data['port'], data['user'], data['passwd'])",
        ),
    ),
}


def seconds(plugin: str, fixture: str, body: str, count: int) -> float:
    """Seconds of the processor that a run with the plugin takes."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory, "test_it.py")
        path.write_text(f"{HEAD}\n@pytest.mark.parametrize('n', range({count}))\ndef test_it(n, {fixture}): {body}\n")
        known = [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": os.pathsep.join([*known, str(PEERS)])}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", plugin, str(path)]
        done = subprocess.run(command, env=environment, cwd=directory, capture_output=True, text=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    heading()
    for title, (ours, theirs) in SUITES.items():
        pairs = [(seconds(*ours, count), seconds(*theirs, count)) for _ in range(ROUNDS)]
        a, b = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
        ratio = statistics.median(x / y for x, y in pairs)
        name = theirs[0].partition(".")[0]
        figures = f"ours {a:.2f}  {name} {b:.2f} ({ratio:.2f})"
        print(f"{title:<20} {count} tests, CPU s  {figures}   goal: <= 0.8", flush=True)


if __name__ == "__main__":
    main()
