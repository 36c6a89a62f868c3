"""Becomes a program that is asked to stop when the process manager dies: `lifeline.py SIGNAL ACCOUNT COMMAND…`.

A script on the standard library alone, so that it is gone through in a moment.
"""

import ctypes
import os
import pwd
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(signal_name: str, account: str, *command: str) -> None:
    # Python's own handler would only note a signal in the last moment before the program begins.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if account:
        _become(account)
    _end_with_parent(signal.Signals[f"SIG{signal_name}"])
    os.execvp(command[0], command)  # noqa: S606


def _become(account: str) -> None:
    """The kernel forgets the signal when the account changes, so this comes first."""
    entry = pwd.getpwnam(account)
    os.initgroups(account, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def _end_with_parent(number: signal.Signals) -> None:
    """The process manager leads the session of its programs; whose parent is another has come too late."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number.value, 0, 0, 0):
        sys.exit(f"cannot be told of the end of the process manager: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != os.getsid(0):
        sys.exit("the process manager is gone")


if __name__ == "__main__":
    main(*sys.argv[1:])
