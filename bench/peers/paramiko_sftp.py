"""paramiko for bench/sftp.ts: one file after the other, since it has no recursion; no tree."""

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
        if what == "tree":
            continue
        source, target = f"{folder}/{what}", f"{folder}/out"
        began = time.monotonic()
        if what == "large":
            getattr(sftp, verb)(source, target)
        else:
            os.mkdir(target)
            for name in os.listdir(source):
                getattr(sftp, verb)(f"{source}/{name}", f"{target}/{name}")
        times[action] = (time.monotonic() - began) * 1000
        shutil.rmtree(target) if os.path.isdir(target) else os.remove(target)
    transport.close()
    print(json.dumps(times))


main(json.loads(sys.argv[1]))
