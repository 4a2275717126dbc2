"""A foreign SSH server and client for the tests, over paramiko. Settings come as JSON in argv[2]."""

import io
import json
import os
import socket
import stat
import subprocess
import sys
import threading

import paramiko

CHUNK = 65536
OPTIONS = {"kex": "kex", "ciphers": "ciphers", "macs": "digests", "hostKeyAlgorithms": "key_types",
           "compression": "compression"}


def choose(transport, settings):
    options = transport.get_security_options()
    for name, ours in OPTIONS.items():
        if name in settings:
            setattr(options, ours, settings[name])


def load_key(path):
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key_file(path)
        except paramiko.SSHException:
            continue
    raise paramiko.SSHException(f"no key in {path}")


def told(action):
    """Runs what changes files; its answer is a status."""
    try:
        action()
        return paramiko.SFTP_OK
    except OSError as error:
        return paramiko.SFTPServer.convert_errno(error.errno)


class Handle(paramiko.SFTPHandle):
    """An open file, as paramiko's own server reads and writes it."""

    def stat(self):
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))

    def chattr(self, attributes):
        return told(lambda: paramiko.SFTPServer.set_file_attr(self.filename, attributes))


class Files(paramiko.SFTPServerInterface):
    """All files of this machine."""

    def list_folder(self, path):
        try:
            rows = []
            for name in os.listdir(path):
                row = paramiko.SFTPAttributes.from_stat(os.lstat(os.path.join(path, name)))
                row.filename = name
                rows.append(row)
            return rows
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    def look(self, path, how):
        try:
            return paramiko.SFTPAttributes.from_stat(how(path))
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    def stat(self, path):
        return self.look(path, os.stat)

    def lstat(self, path):
        return self.look(path, os.lstat)

    def open(self, path, flags, attributes):
        try:
            mode = attributes.st_mode if attributes.st_mode is not None else 0o666
            number = os.open(path, flags, mode & 0o777)
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)
        access = flags & (os.O_RDONLY | os.O_WRONLY | os.O_RDWR)
        how = {os.O_RDONLY: "rb", os.O_WRONLY: "wb", os.O_RDWR: "r+b"}[access]
        if flags & os.O_APPEND:
            how = "ab"
        stream = os.fdopen(number, how)
        handle = Handle(flags)
        handle.filename = path
        handle.readfile = stream
        handle.writefile = stream
        return handle

    def remove(self, path):
        return told(lambda: os.remove(path))

    def rename(self, old, new):
        return paramiko.SFTP_FAILURE if os.path.lexists(new) else told(lambda: os.rename(old, new))

    def posix_rename(self, old, new):
        return told(lambda: os.replace(old, new))

    def mkdir(self, path, attributes):
        return told(lambda: os.mkdir(path))

    def rmdir(self, path):
        return told(lambda: os.rmdir(path))

    def chattr(self, path, attributes):
        return told(lambda: paramiko.SFTPServer.set_file_attr(path, attributes))

    def symlink(self, target, path):
        return told(lambda: os.symlink(target, path))

    def readlink(self, path):
        try:
            return os.readlink(path)
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)


class Server(paramiko.ServerInterface):
    """Accepts one user by password or key and runs the requested commands with the shell."""

    def __init__(self, settings):
        self.settings = settings
        self.environment = dict(os.environ)
        self.keys = set()
        if "authorizedKeys" in settings:
            with open(settings["authorizedKeys"], encoding="utf-8") as lines:
                self.keys = {line.split()[1] for line in lines if line.strip()}

    def get_allowed_auths(self, username):
        methods = ["publickey"] if self.keys else []
        return ",".join(methods + (["password"] if "password" in self.settings else []))

    def check_auth_password(self, username, password):
        ok = (username, password) == (self.settings["user"], self.settings.get("password"))
        return paramiko.AUTH_SUCCESSFUL if ok else paramiko.AUTH_FAILED

    def check_auth_publickey(self, username, key):
        ok = username == self.settings["user"] and key.get_base64() in self.keys
        return paramiko.AUTH_SUCCESSFUL if ok else paramiko.AUTH_FAILED

    def check_channel_request(self, kind, chanid):
        known = kind == "session"
        return paramiko.OPEN_SUCCEEDED if known else paramiko.OPEN_FAILED_UNKNOWN_CHANNEL_TYPE

    def check_channel_env_request(self, channel, name, value):
        self.environment[name.decode()] = value.decode()
        return True

    def check_channel_pty_request(self, channel, term, width, height, pixelwidth, pixelheight, modes):
        return True

    def check_channel_exec_request(self, channel, command):
        threading.Thread(target=self.run, args=(channel, command), daemon=True).start()
        return True

    def run(self, channel, command):
        child = subprocess.Popen(["sh", "-c", command], env=self.environment, bufsize=0,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)
        threading.Thread(target=feed, args=(channel, child.stdin), daemon=True).start()
        errors = threading.Thread(target=drain, args=(child.stderr, channel.sendall_stderr))
        errors.start()
        drain(child.stdout, channel.sendall)
        errors.join()
        channel.send_exit_status(child.wait() & 0xFFFFFFFF)
        channel.shutdown_write()
        channel.close()


def feed(channel, stdin):
    try:
        while data := channel.recv(CHUNK):
            stdin.write(data)
    except (OSError, ValueError):
        pass
    stdin.close()


def drain(source, send):
    try:
        while data := source.read(CHUNK):
            send(data)
    except OSError:
        pass


def serve(settings):
    listener = socket.create_server(("127.0.0.1", 0))
    print("listening", listener.getsockname()[1], flush=True)
    transports = []
    while True:
        conn, _ = listener.accept()
        transport = paramiko.Transport(conn)
        choose(transport, settings)
        for path in settings["hostKeys"]:
            transport.add_server_key(load_key(path))
        transport.set_subsystem_handler("sftp", paramiko.SFTPServer, Files)
        transports.append(transport)
        transport.start_server(event=threading.Event(), server=Server(settings))


def client(settings):
    transport = paramiko.Transport((settings["hostname"], settings["port"]))
    choose(transport, settings)
    try:
        transport.start_client(timeout=20)
        key = transport.get_remote_server_key()
        print("agreed", key.get_name(), transport.remote_cipher, transport.remote_mac,
              file=sys.stderr)
        if "hostKey" in settings and settings["hostKey"].split()[1] != key.get_base64():
            raise paramiko.SSHException("another host key")
        login(transport, settings)
        return ACTIONS[settings["action"]](transport, *settings["args"])
    finally:
        transport.close()


def login(transport, settings):
    if "identity" in settings:
        transport.auth_publickey(settings["user"], load_key(settings["identity"]))
    elif "answers" in settings:
        answers = list(settings["answers"])

        def answer(title, instructions, prompts):
            print("asked", json.dumps([title, instructions, prompts]), file=sys.stderr)
            return [answers.pop(0) for _ in prompts]

        transport.auth_interactive(settings["user"], answer)
    else:
        transport.auth_password(settings["user"], settings["password"], fallback=False)


def execute(transport, command):
    channel = transport.open_session()
    channel.exec_command(command)

    def send():
        while data := sys.stdin.buffer.read1(CHUNK):
            channel.sendall(data)
        channel.shutdown_write()

    threading.Thread(target=send, daemon=True).start()
    errors = threading.Thread(target=copy, args=(channel.recv_stderr, sys.stderr.buffer))
    errors.start()
    copy(channel.recv, sys.stdout.buffer)
    errors.join()
    return channel.recv_exit_status() & 0xFF


def copy(receive, sink):
    while data := receive(CHUNK):
        sink.write(data)
    sink.flush()


def get(transport, remote, local):
    paramiko.SFTPClient.from_transport(transport).get(remote, local)


def put(transport, local, remote):
    paramiko.SFTPClient.from_transport(transport).put(local, remote)


def names(transport, path):
    print("\n".join(sorted(paramiko.SFTPClient.from_transport(transport).listdir(path))))


def everything(transport, folder):
    """All operations of paramiko's client, in an existing empty folder."""
    data = os.urandom(3_000_001)
    sftp = paramiko.SFTPClient.from_transport(transport)
    sftp.chdir(folder)
    sftp.mkdir("tree", 0o755)
    sftp.mkdir("tree/deep er")
    not_done(IOError, sftp.mkdir, "tree")
    not_done(IOError, sftp.rmdir, "tree")
    with sftp.open("tree/one", "w+") as file:
        file.set_pipelined(True)
        file.write(data)
        file.seek(1_000_000)
        assert file.read(10) == data[1_000_000:1_000_010]
        assert file.stat().st_size == len(data)
        file.truncate(2_000_000)
        file.chmod(0o640)
        file.utime((1_000_000_000, 1_000_000_000))
    with sftp.open("tree/one", "r") as file:
        file.prefetch()
        assert file.read() == data[:2_000_000]
    with sftp.open("tree/one", "r") as file:
        chunks = [(100, 50_000), (1_900_000, 100_000), (0, 10)]
        assert list(file.readv(chunks)) == [data[at:at + size] for at, size in chunks]
    with sftp.open("tree/one", "a") as file:
        file.write(b"end")
    assert sftp.stat("tree/one").st_size == 2_000_003
    with sftp.open("tree/two", "wx") as file:
        file.write("two")
    not_done(IOError, sftp.open, "tree/two", "wx")
    not_done(IOError, sftp.rename, "tree/one", "tree/two")
    sftp.posix_rename("tree/one", "tree/two")
    sftp.rename("tree/two", "tree/three")
    sftp.symlink("three", "tree/soft")
    assert sftp.readlink("tree/soft") == "three"
    assert stat.S_ISLNK(sftp.lstat("tree/soft").st_mode)
    sftp.truncate("tree/three", 5)
    sftp.utime("tree/three", (1_000_000_000, 1_000_000_000))
    sftp.chmod("tree/three", 0o600)
    info = sftp.stat("tree/soft")
    assert (info.st_size, info.st_mode & 0o777, info.st_mtime) == (5, 0o600, 1_000_000_000)
    sftp.chown("tree/three", info.st_uid, info.st_gid)
    assert sftp.normalize("tree/../tree/./three") == f"{folder}/tree/three"
    assert sorted(sftp.listdir("tree")) == ["deep er", "soft", "three"]
    assert len(list(sftp.listdir_iter("tree", read_aheads=20))) == 3
    not_done(FileNotFoundError, sftp.stat, "none")
    for number in range(100):
        sftp.putfo(io.BytesIO(b"x" * number), f"tree/deep er/{number}", confirm=True)
    assert sorted(row.st_size for row in sftp.listdir_attr("tree/deep er")) == list(range(100))
    for name in sftp.listdir("tree/deep er"):
        sftp.remove(f"tree/deep er/{name}")
    for name in ("soft", "three"):
        sftp.unlink(f"tree/{name}")
    sftp.rmdir("tree/deep er")
    sftp.rmdir("tree")
    sftp.close()


def not_done(kind, request, *arguments):
    try:
        request(*arguments)
    except kind:
        return
    raise AssertionError(f"{request.__name__} was not refused as {kind.__name__}")


def dial(transport, host, port):
    channel = transport.open_channel("direct-tcpip", (host, int(port)), ("127.0.0.1", 0))
    channel.sendall(sys.stdin.buffer.read())
    channel.shutdown_write()
    copy(channel.recv, sys.stdout.buffer)


def seed(transport):
    """Every row of the Channel documentation that a client can try, one line of JSON a row."""
    for row in SEED:
        result = row(transport, transport.open_session())
        print(json.dumps([row.__name__, result]), flush=True)


def read_all(receive):
    data = b""
    while piece := receive(CHUNK):
        data += piece
    return data.decode()


def exec_command(_, channel):
    channel.exec_command("echo")
    channel.sendall(b"over ")
    sent = channel.send(b"the wire")
    channel.shutdown_write()
    return [sent, read_all(channel.recv), channel.recv_exit_status(), channel.exit_status_ready()]


def recv_stderr(_, channel):
    channel.exec_command("both")
    return [read_all(channel.recv), read_all(channel.recv_stderr)]


def set_combine_stderr(_, channel):
    before = channel.set_combine_stderr(True)
    channel.exec_command("both")
    return [before, read_all(channel.recv), read_all(channel.recv_stderr)]


def recv_exit_status(_, channel):
    channel.exec_command("big")
    total = len(read_all(channel.recv))
    return [total, channel.recv_exit_status()]


def no_exit_status(_, channel):
    channel.exec_command("killed")
    return channel.recv_exit_status()


def set_environment_variable(_, channel):
    channel.set_environment_variable("LC_ONE", "1")
    channel.update_environment({"LC_TWO": "2", "bad name": "3"})
    channel.exec_command("env")
    return read_all(channel.recv)


def get_pty(_, channel):
    channel.get_pty("vt220", 90, 30, 900, 300)
    channel.invoke_shell()
    first = channel.makefile("r").readline()
    channel.resize_pty(100, 40)
    return [first, read_all(channel.recv)]


def makefile(_, channel):
    channel.exec_command("lines")
    with channel.makefile_stdin("w") as stdin:
        stdin.write("one\ntwo\n")
    errors = channel.makefile_stderr("r").readlines()
    return [channel.makefile("r").readlines(), errors]


def shutdown_read(_, channel):
    channel.exec_command("echo")
    channel.shutdown_read()
    channel.sendall(b"x")
    channel.shutdown_write()
    return channel.recv_exit_status()


def timeouts(_, channel):
    channel.exec_command("echo")
    channel.settimeout(0.01)
    try:
        channel.recv(1)
    except socket.timeout:
        return "timeout"


def invoke_subsystem(_, channel):
    channel.invoke_subsystem("sftp")
    channel.sendall(b"\0\0\0\5\1\0\0\0\3")
    return channel.recv(9)[4]


def refused(_, channel):
    try:
        channel.invoke_subsystem("nonsense")
    except paramiko.SSHException as error:
        return str(error)


def request_x11(_, channel):
    came = []

    def handler(display, origin):
        came.append(origin[0])
        display.sendall(b"screen")
        display.close()

    cookie = channel.request_x11(single_connection=True, handler=handler)
    channel.exec_command("x11")
    said = read_all(channel.recv)
    return [said.replace(cookie.decode(), "the cookie"), came]


def request_forward_agent(_, channel):
    def handler(agent):
        agent.sendall(b"keys")
        agent.close()

    channel.request_forward_agent(handler)
    channel.exec_command("agent")
    return read_all(channel.recv)


def open_channel(transport, _):
    mail = transport.open_channel("mail@example.com")
    mail.sendall(b"a letter")
    mail.shutdown_write()
    try:
        transport.open_channel("spam@example.com")
    except paramiko.ChannelException as error:
        return [read_all(mail.recv), error.code]


def global_request(transport, _):
    answer = transport.global_request("double@example.com", (21,), wait=True)
    return [answer.get_int(), transport.global_request("nonsense@example.com", wait=True)]


SEED = [exec_command, recv_stderr, set_combine_stderr, recv_exit_status, no_exit_status,
        set_environment_variable, get_pty, makefile, shutdown_read, timeouts, invoke_subsystem,
        refused, request_x11, request_forward_agent, open_channel, global_request]

ACTIONS = {"exec": execute, "get": get, "put": put, "list": names, "dial": dial, "seed": seed,
           "everything": everything}


def main():
    role, settings = sys.argv[1], json.loads(sys.argv[2])
    try:
        sys.exit({"server": serve, "client": client}[role](settings))
    except (OSError, paramiko.SSHException) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(254)


if __name__ == "__main__":
    main()
