"""The process between us and PostgreSQL: gives up root, ties the server's life to ours, becomes it. Standard library only.

Run as `python -I -S child.py LIFELINE OWNER UID GID PROGRAM ARGUMENT...`; UID and GID are `-` to stay who we are. It is a program
and not a `preexec_fn`, because code between fork and exec can deadlock in a process with threads. Python itself starts before
root is given up, because the account may not be able to read it.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time

PR_SET_PDEATHSIG = 1
FAST_SHUTDOWN_S = 10
"""As in `server.py`: how long a clean shutdown may take before an immediate one."""


def give_up_root(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def die_with_owner(owner: int) -> None:
    """Linux sends SIGINT, PostgreSQL's clean shutdown, when the thread that started us ends. `setuid` would undo it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != owner:
        sys.exit("the owner ended before PostgreSQL was started")


def watch_owner(program: list[str], environment: dict[str, str]) -> int:
    """Runs the program until it ends, and stops it when our standard input does: the owner holds its other end. The exit code."""
    server = subprocess.Popen(program, stdin=subprocess.DEVNULL, env=environment)  # noqa: S603 - what our own launcher asked for

    def stop_after_owner() -> None:
        os.read(0, 1)
        server.send_signal(signal.SIGINT)
        time.sleep(FAST_SHUTDOWN_S)
        server.send_signal(signal.SIGQUIT)

    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, lambda received, _: server.send_signal(received))
    threading.Thread(target=stop_after_owner, daemon=True).start()
    return server.wait()


def main(arguments: list[str]) -> None:
    lifeline, owner, uid, gid, *program = arguments
    environment = {"LC_ALL": "C", "PATH": os.defpath}
    if uid != "-":
        give_up_root(int(uid), int(gid))
    if lifeline == "pipe":
        sys.exit(watch_owner(program, environment))
    die_with_owner(int(owner))
    os.execve(program[0], program, environment)  # noqa: S606 - what our own launcher asked for


if __name__ == "__main__":
    main(sys.argv[1:])
