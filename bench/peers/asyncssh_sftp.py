"""asyncssh for bench/sftp.ts: settings come as JSON in argv[1], milliseconds go back as JSON."""

import asyncio
import json
import os
import shutil
import sys
import time

import asyncssh


async def main(settings):
    folder, times = settings["folder"], {}
    async with asyncssh.connect(
        "127.0.0.1", settings["port"], username=settings["user"], client_keys=[settings["identity"]],
        known_hosts=None, config=None, encryption_algs=[settings["cipher"]],
    ) as conn, conn.start_sftp_client() as sftp:
        for action in settings["actions"]:
            verb, what = action.split()
            source, target = f"{folder}/{what}", f"{settings['out']}/copy"
            began, cpu = time.monotonic(), time.process_time()
            await getattr(sftp, verb)(source, target, recurse=what != "large")
            times[action] = {"ms": (time.monotonic() - began) * 1000,
                             "cpu": (time.process_time() - cpu) * 1000}
            shutil.rmtree(target) if os.path.isdir(target) else os.remove(target)
    print(json.dumps(times))


asyncio.run(main(json.loads(sys.argv[1])))
