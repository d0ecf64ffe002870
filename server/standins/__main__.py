"""The Sahha stand-in as a child of the service: a listening socket by number, the credential on standard input.

It ends with its parent, however that ends: standard input closes then.
"""

import argparse
import os
import signal
import sys
import threading

from server.standins.serving import run_sahha_standin


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m server.standins", description=__doc__)
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--clock-offset-s", type=float, default=0.0)
    given = parser.parse_args()
    client_id, client_secret = sys.stdin.readline().strip(), sys.stdin.readline().strip()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    run_sahha_standin(given.fd, "127.0.0.1", 0, given.clock_offset_s, client_id=client_id, client_secret=client_secret)


def _end_with_parent() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
