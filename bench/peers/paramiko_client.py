"""Runs one command with paramiko, standard streams joined to it. Settings come as JSON in argv[1]."""

import json
import sys
import threading

import paramiko

BLOCK = 256 * 1024


def feed(channel):
    while block := sys.stdin.buffer.read1(BLOCK):
        channel.sendall(block)
    channel.shutdown_write()


settings = json.loads(sys.argv[1])
wanted = settings["cipher"]
if wanted not in paramiko.Transport._preferred_ciphers:
    sys.exit(f"paramiko has no {wanted}")
paramiko.Transport._preferred_ciphers = (wanted,)
client = paramiko.SSHClient()
client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
client.connect("127.0.0.1", settings["port"], settings["user"], key_filename=settings["identity"],
               allow_agent=False, look_for_keys=False)
client.get_transport().default_window_size = 2 ** 21
channel = client.get_transport().open_session()
channel.exec_command(settings["command"])
threading.Thread(target=feed, args=(channel,), daemon=True).start()
while block := channel.recv(BLOCK):
    sys.stdout.buffer.write(block)
sys.stdout.buffer.flush()
status = channel.recv_exit_status()
client.close()
sys.exit(status)
