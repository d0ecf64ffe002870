"""The Sahha stand-in as a child of the service: a listening socket by number, what is secret on standard input.

The lines are: client id, client secret, webhook secret. It ends with its parent, however that ends: standard input closes then.
"""

import argparse
import os
import signal
import sys
import threading

from server.standins.serving import Standin, run_sahha_standin
from server.standins.webhooks_out import Target


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m server.standins", description=__doc__)
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--clock-offset-s", type=float, default=0.0)
    parser.add_argument("--webhooks-to", default=None, metavar="URL")
    given = parser.parse_args()
    client_id, client_secret, webhook_secret = (sys.stdin.readline().strip() for _ in range(3))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    webhooks = Target(given.webhooks_to, webhook_secret)
    standin = Standin(client_id, client_secret, given.clock_offset_s, webhooks=webhooks)
    run_sahha_standin(given.fd, "127.0.0.1", 0, standin)


def _end_with_parent() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
