"""paramiko for bench/sftp.ts: one file after the other, and folders as this machine lists them."""

import json
import os
import shutil
import sys
import time

import paramiko


def main(settings):
    folder, times = settings["folder"], {}
    transport = paramiko.Transport(("127.0.0.1", settings["port"]))
    transport.get_security_options().ciphers = [settings["cipher"]] if settings["cipher"] in (
        transport.get_security_options().ciphers) else ["aes128-ctr"]
    transport.connect(username=settings["user"],
                      pkey=paramiko.Ed25519Key.from_private_key_file(settings["identity"]))
    sftp = paramiko.SFTPClient.from_transport(transport)
    for action in settings["actions"]:
        verb, what = action.split()
        source, target = f"{folder}/{what}", f"{settings['out']}/copy"
        began, cpu = time.monotonic(), time.process_time()
        if what == "large":
            getattr(sftp, verb)(source, target)
        else:
            for path, _, names in os.walk(source):
                there = target + path[len(source):]
                (os if verb == "get" else sftp).mkdir(there)
                for name in names:
                    getattr(sftp, verb)(f"{path}/{name}", f"{there}/{name}")
        times[action] = {"ms": (time.monotonic() - began) * 1000,
                         "cpu": (time.process_time() - cpu) * 1000}
        shutil.rmtree(target) if os.path.isdir(target) else os.remove(target)
    transport.close()
    print(json.dumps(times))


main(json.loads(sys.argv[1]))
