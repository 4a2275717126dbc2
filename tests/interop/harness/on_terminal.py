"""Runs a program on a terminal of its own and drives it.

Arguments: the steps as JSON, the program and its arguments. Steps are {"expect": text}, {"send": text},
{"resize": [rows, columns]}, {"signal": name}, which goes to what runs in the foreground, and
{"echo": true or false}, which waits until the terminal echoes or does not.
Prints JSON: all output, and the exit code.
"""
import fcntl
import json
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

LIMIT = 20


class Driver:
    def __init__(self, command):
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)
        self.output = b""
        self.seen = 0
        self.resize([24, 80])

    def read(self):
        ready, _, _ = select.select([self.master], [], [], 0.05)
        if not ready:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.output += data
        return data != b""

    def wait(self, condition, what):
        end = time.monotonic() + LIMIT
        while not condition():
            if not self.read() or time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                sys.exit(f"{what} did not come in {self.output!r}")

    def expect(self, text):
        self.wait(lambda: text.encode() in self.output[self.seen:], repr(text))
        self.seen = self.output.index(text.encode(), self.seen) + len(text.encode())

    def send(self, text):
        os.write(self.master, text.encode())

    def resize(self, size):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))

    def signal(self, name):
        os.killpg(os.tcgetpgrp(self.master), getattr(signal, name))

    def echo(self, wanted):
        echoes = lambda: bool(termios.tcgetattr(self.master)[3] & termios.ECHO)
        self.wait(lambda: echoes() == wanted, f"echo {wanted}")

    def finish(self):
        end = time.monotonic() + LIMIT
        while self.read():
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)


driver = Driver(sys.argv[2:])
for step in json.loads(sys.argv[1]):
    for verb, argument in step.items():
        getattr(driver, verb)(argument)
code = driver.finish()
print(json.dumps({"output": driver.output.decode(errors="replace"), "code": code}))
