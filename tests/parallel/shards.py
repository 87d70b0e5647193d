"""What workers do with a shard; it imports nothing heavy, since every worker imports it."""

import ctypes
import os
import signal
import time


def double(shard):
    return [item * 2 for item in shard]


def die(shard, *, how, guilty):
    if guilty & set(shard):
        if how == "exit":
            os._exit(3)
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        ctypes.string_at(0)
    return double(shard)


def die_late(shard, *, guilty):
    """Let the others of the pool finish some shards first."""
    if guilty & set(shard):
        time.sleep(0.8)
        os._exit(3)
    return double(shard)


def fail(shard):
    if 5 in shard:
        raise LookupError("five")
    return double(shard)


def pids(shard):
    time.sleep(0.02)
    return [os.getpid() for _ in shard]


def endless(shard):
    os.write(1, b"working\n")  # in one piece, whatever the other worker writes
    time.sleep(3600)


def one_slow(shard):
    os.write(1, b"working\n")  # in one piece, whatever the other worker writes
    if 1 in shard:
        time.sleep(3)  # longer than a busy machine needs to send the signal
    return double(shard)


def slowly(shard, *, folder):
    """Report which worker runs which item, slowly enough to be killed."""
    (folder / f"{shard[0]}-{os.getpid()}").touch()
    time.sleep(0.3)
    return double(shard)
