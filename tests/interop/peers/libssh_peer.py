"""A foreign SSH server and client for the tests, over the C library libssh. Settings come as JSON in argv[2]."""

import ctypes
import json
import os
import stat
import subprocess
import sys
import threading
from ctypes import POINTER, byref, c_char_p, c_int, c_long, c_size_t, c_uint, c_uint32, c_uint64
from ctypes import c_void_p, create_string_buffer

CHUNK = 32000
SFTP_SERVER = "/usr/lib/openssh/sftp-server"
OK, AGAIN, EOF = 0, -2, -127
HOST, PORT, USER, SSH_DIR, PROCESS_CONFIG = 0, 1, 4, 5, 38
BIND_ADDRESS, BIND_PORT, BIND_HOST_KEY, BIND_PROCESS_CONFIG = 0, 1, 3, 19
AUTH, CHANNEL_OPEN, CHANNEL = 1, 2, 3
PUBLIC_KEY = 4
KEY_NONE, KEY_VALID = 0, 1
SESSION = 1
EXEC, ENV, SUBSYSTEM = 2, 4, 5

ssh = ctypes.CDLL("libssh.so.4")


def declare(result, *functions):
    for name, *arguments in functions:
        function = getattr(ssh, name)
        function.restype = result
        function.argtypes = arguments


P = c_void_p
declare(P, ("ssh_new",), ("ssh_bind_new",), ("ssh_channel_new", P), ("ssh_message_get", P),
        ("ssh_message_channel_request_open_reply_accept", P), ("sftp_new", P),
        ("sftp_open", P, c_char_p, c_int, c_uint), ("sftp_opendir", P, c_char_p),
        ("sftp_readdir", P, P), ("ssh_message_auth_pubkey", P))
declare(c_char_p, ("ssh_get_error", P), ("ssh_message_auth_user", P),
        ("ssh_message_channel_request_command", P), ("ssh_message_channel_request_subsystem", P),
        ("ssh_get_cipher_out", P), ("ssh_get_hmac_out", P), ("ssh_version", c_int))
declare(c_int, ("ssh_options_set", P, c_int, P), ("ssh_connect", P),
        ("ssh_userauth_publickey", P, c_char_p, P), ("ssh_userauth_none", P, c_char_p),
        ("ssh_pki_import_privkey_file", c_char_p, c_char_p, P, P, P),
        ("ssh_pki_import_pubkey_file", c_char_p, P), ("ssh_key_cmp", P, P, c_int),
        ("ssh_channel_open_session", P), ("ssh_channel_request_exec", P, c_char_p),
        ("ssh_channel_write", P, c_char_p, c_uint32), ("ssh_channel_send_eof", P),
        ("ssh_channel_write_stderr", P, c_char_p, c_uint32), ("ssh_channel_poll", P, c_int),
        ("ssh_channel_poll_timeout", P, c_int, c_int),
        ("ssh_channel_read", P, P, c_uint32, c_int), ("ssh_channel_is_eof", P),
        ("ssh_channel_read_nonblocking", P, P, c_uint32, c_int), ("ssh_channel_is_closed", P),
        ("ssh_channel_get_exit_status", P), ("ssh_channel_close", P),
        ("ssh_channel_request_send_exit_status", P, c_int), ("ssh_bind_options_set", P, c_int, P),
        ("ssh_bind_listen", P), ("ssh_bind_accept", P, P), ("ssh_handle_key_exchange", P),
        ("ssh_message_type", P), ("ssh_message_subtype", P), ("ssh_message_reply_default", P),
        ("ssh_message_auth_set_methods", P, c_int), ("ssh_message_auth_publickey_state", P),
        ("ssh_message_auth_reply_pk_ok_simple", P), ("ssh_message_auth_reply_success", P, c_int),
        ("ssh_message_channel_request_reply_success", P), ("sftp_init", P), ("sftp_close", P),
        ("sftp_closedir", P), ("sftp_get_error", P), ("ssh_bind_get_fd", P),
        ("ssh_event_dopoll", P, c_int), ("ssh_event_add_session", P, P))
declare(c_long, ("sftp_write", P, c_char_p, c_size_t), ("sftp_read", P, P, c_size_t))
declare(None, ("ssh_message_free", P), ("ssh_disconnect", P), ("sftp_free", P),
        ("ssh_channel_free", P), ("ssh_free", P))


def told(session):
    return OSError(f"libssh {ssh.ssh_version(0).decode()}: {ssh.ssh_get_error(session).decode()}")


def number(value):
    return byref(c_int(value))


# --- The server: as libssh's samples, it hands commands and SFTP to programs ------------------------


def listen(settings):
    bind = ssh.ssh_bind_new()
    ssh.ssh_bind_options_set(bind, BIND_PROCESS_CONFIG, byref(ctypes.c_bool(False)))
    ssh.ssh_bind_options_set(bind, BIND_ADDRESS, b"127.0.0.1")
    ssh.ssh_bind_options_set(bind, BIND_PORT, number(free_port()))
    for path in settings["hostKeys"]:
        ssh.ssh_bind_options_set(bind, BIND_HOST_KEY, path.encode())
    if ssh.ssh_bind_listen(bind) != OK:
        raise told(bind)
    return bind


def free_port():
    import socket
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def serve(settings):
    import socket
    bind = listen(settings)
    with socket.socket(fileno=os.dup(ssh.ssh_bind_get_fd(bind))) as listening:
        print("listening", listening.getsockname()[1], flush=True)
    while True:
        session = ssh.ssh_new()
        if ssh.ssh_bind_accept(bind, session) != OK:
            raise told(bind)
        if os.fork() == 0:  # as the samples do: a session is used by one thread only
            try:
                Session(session, settings).run()
            except OSError as error:
                print(error, file=sys.stderr, flush=True)
            os._exit(0)


class Session:
    """One connection: logs one user in, and runs what is asked for on one channel after the other."""

    def __init__(self, session, settings):
        self.session = session
        self.user = settings["user"]
        self.allowed = P()
        blob = os.path.join(os.path.dirname(settings["authorizedKeys"]), "authorized_keys")
        if ssh.ssh_pki_import_pubkey_file(blob.encode(), byref(self.allowed)) != OK:
            raise OSError("no authorized key")
        if ssh.ssh_handle_key_exchange(session) != OK:
            raise told(session)

    def run(self):
        while True:
            message = ssh.ssh_message_get(self.session)
            if not message:
                return
            channel = self.answer(message)
            ssh.ssh_message_free(message)
            if channel:
                self.work(channel)

    def answer(self, message):
        """Answers a message; returns the channel that it opened, if it did."""
        kind, subtype = ssh.ssh_message_type(message), ssh.ssh_message_subtype(message)
        if kind == CHANNEL_OPEN and subtype == SESSION:
            return ssh.ssh_message_channel_request_open_reply_accept(message)
        if kind == AUTH and subtype == PUBLIC_KEY and self.knows(message):
            state = ssh.ssh_message_auth_publickey_state(message)
            if state == KEY_NONE:
                ssh.ssh_message_auth_reply_pk_ok_simple(message)
                return None
            if state == KEY_VALID:
                ssh.ssh_message_auth_reply_success(message, 0)
                return None
        ssh.ssh_message_auth_set_methods(message, PUBLIC_KEY)
        ssh.ssh_message_reply_default(message)
        return None

    def knows(self, message):
        key = ssh.ssh_message_auth_pubkey(message)
        user = ssh.ssh_message_auth_user(message).decode()
        return user == self.user and ssh.ssh_key_cmp(key, self.allowed, 0) == 0

    def work(self, channel):
        """Waits for what to run, and joins its streams to the channel."""
        child = None
        while child is None:
            message = ssh.ssh_message_get(self.session)
            if not message:
                return
            kind, subtype = ssh.ssh_message_type(message), ssh.ssh_message_subtype(message)
            if kind == CHANNEL and subtype == EXEC:
                command = ssh.ssh_message_channel_request_command(message).decode()
                child = started(["sh", "-c", command])
            elif kind == CHANNEL and subtype == SUBSYSTEM:
                child = started([SFTP_SERVER])
            if child is None:
                ssh.ssh_message_reply_default(message)
            else:
                ssh.ssh_message_channel_request_reply_success(message)
            ssh.ssh_message_free(message)
        join(channel, child)


def started(words):
    child = subprocess.Popen(words, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
    for stream in (child.stdout, child.stderr):
        os.set_blocking(stream.fileno(), False)
    return child


def join(channel, child):
    """Moves bytes between a channel and a program until the program has ended."""
    buffer = create_string_buffer(CHUNK)
    outputs = [(child.stdout, ssh.ssh_channel_write), (child.stderr, ssh.ssh_channel_write_stderr)]
    while outputs:
        for output in list(outputs):
            stream, write = output
            data = stream.read(CHUNK)
            if data == b"":
                outputs.remove(output)
            elif data:
                write(channel, data, len(data))
        count = ssh.ssh_channel_poll_timeout(channel, 5, 0)
        if count > 0:
            count = ssh.ssh_channel_read_nonblocking(channel, buffer, CHUNK, 0)
            feed(child, buffer.raw[:count])
        elif count == EOF and child.stdin:
            child.stdin.close()
            child.stdin = None
        if ssh.ssh_channel_is_closed(channel):
            child.kill()
            break
    ssh.ssh_channel_request_send_exit_status(channel, child.wait() & 0xFF)
    ssh.ssh_channel_send_eof(channel)
    ssh.ssh_channel_close(channel)


def feed(child, data):
    try:
        while data:
            data = data[child.stdin.write(data):]
    except (OSError, AttributeError):
        pass  # it reads no more


# --- The client -----------------------------------------------------------------------------------


def client(settings):
    session = ssh.ssh_new()
    ssh.ssh_options_set(session, PROCESS_CONFIG, byref(ctypes.c_bool(False)))
    ssh.ssh_options_set(session, HOST, settings["hostname"].encode())
    ssh.ssh_options_set(session, PORT, number(settings["port"]))
    ssh.ssh_options_set(session, USER, settings["user"].encode())
    if ssh.ssh_connect(session) != OK:
        raise told(session)
    print("agreed", ssh.ssh_get_cipher_out(session), ssh.ssh_get_hmac_out(session), file=sys.stderr)
    key = P()
    identity = settings["identity"].encode()
    if ssh.ssh_pki_import_privkey_file(identity, None, None, None, byref(key)) != OK:
        raise told(session)
    if ssh.ssh_userauth_publickey(session, None, key) != OK:
        raise told(session)
    code = ACTIONS[settings["action"]](session, *settings["args"])
    ssh.ssh_disconnect(session)
    return code or 0


def execute(session, command):
    channel = ssh.ssh_channel_new(session)
    if ssh.ssh_channel_open_session(channel) != OK:
        raise told(session)
    if ssh.ssh_channel_request_exec(channel, command.encode()) != OK:
        raise told(session)
    data = sys.stdin.buffer.read()
    sinks = [(0, sys.stdout.buffer), (1, sys.stderr.buffer)]
    buffer = create_string_buffer(CHUNK)
    while True:
        if data:
            sent = ssh.ssh_channel_write(channel, data[:CHUNK], min(CHUNK, len(data)))
            if sent < 0:
                raise told(session)
            data = data[sent:]
            if not data:
                ssh.ssh_channel_send_eof(channel)
        for kind, sink in sinks:
            wait = 0 if data else 20
            count = ssh.ssh_channel_poll_timeout(channel, wait, kind)
            while count > 0:
                count = ssh.ssh_channel_read_nonblocking(channel, buffer, CHUNK, kind)
                if count > 0:
                    sink.write(buffer.raw[:count])
        if ssh.ssh_channel_is_eof(channel) and not data and not any(
                ssh.ssh_channel_poll(channel, kind) > 0 for kind, _ in sinks):
            break
    sys.stdout.flush()
    return ssh.ssh_channel_get_exit_status(channel)


class Sftp:
    def __init__(self, session):
        self.session = session
        self.sftp = ssh.sftp_new(session)
        if not self.sftp or ssh.sftp_init(self.sftp) != OK:
            raise told(session)

    def open(self, path, flags):
        file = ssh.sftp_open(self.sftp, path.encode(), flags, 0o644)
        if not file:
            raise self.told(path)
        return file

    def told(self, path):
        return OSError(f"{path}: SFTP status {ssh.sftp_get_error(self.sftp)}: {told(self.session)}")


def put(session, local, remote):
    sftp = Sftp(session)
    file = sftp.open(remote, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    with open(local, "rb") as source:
        while data := source.read(CHUNK):
            while data:
                written = ssh.sftp_write(file, data, len(data))
                if written < 0:
                    raise sftp.told(remote)
                data = data[written:]
    if ssh.sftp_close(file) != OK:
        raise sftp.told(remote)


def get(session, remote, local):
    sftp = Sftp(session)
    file = sftp.open(remote, os.O_RDONLY)
    buffer = create_string_buffer(CHUNK)
    with open(local, "wb") as sink:
        while count := ssh.sftp_read(file, buffer, CHUNK):
            if count < 0:
                raise sftp.told(remote)
            sink.write(buffer.raw[:count])
    ssh.sftp_close(file)


def names(session, path):
    sftp = Sftp(session)
    folder = ssh.sftp_opendir(sftp.sftp, path.encode())
    if not folder:
        raise sftp.told(path)
    found = []
    while entry := ssh.sftp_readdir(sftp.sftp, folder):
        found.append(ctypes.cast(entry, POINTER(c_char_p))[0])  # the first field is the name
    ssh.sftp_closedir(folder)
    print("\n".join(sorted(os.fsdecode(name) for name in found)))


ACTIONS = {"exec": execute, "put": put, "get": get, "list": names}


def main():
    role, settings = sys.argv[1], json.loads(sys.argv[2])
    try:
        sys.exit({"server": serve, "client": client}[role](settings))
    except OSError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(254)


if __name__ == "__main__":
    main()
