"""Runs one command with asyncssh, standard streams joined to it. Settings come as JSON in argv[1]."""

import asyncio
import json
import os
import stat
import sys

import asyncssh


# Only a pipe can be waited for: /dev/null cannot, and is empty anyway.
stdin = sys.stdin.buffer if stat.S_ISFIFO(os.fstat(0).st_mode) else asyncssh.DEVNULL


async def main(settings):
    async with asyncssh.connect(
        "127.0.0.1", settings["port"], username=settings["user"], client_keys=[settings["identity"]],
        known_hosts=None, config=None, encryption_algs=[settings["cipher"]],
    ) as conn:
        done = await conn.run(
            settings["command"], stdin=stdin, stdout=sys.stdout.buffer,
            stderr=sys.stderr.buffer, encoding=None,
        )
        return done.exit_status


sys.exit(asyncio.run(main(json.loads(sys.argv[1]))))
