"""A foreign SSH server and client for the tests, over asyncssh. Settings come as JSON in argv[2]."""

import asyncio
import json
import os
import sys

import asyncssh

ALGORITHMS = {
    "kex": "kex_algs",
    "ciphers": "encryption_algs",
    "macs": "mac_algs",
    "compression": "compression_algs",
    "signatures": "signature_algs",
    "rekeyBytes": "rekey_bytes",
}


def algorithms(settings):
    return {ours: settings[name] for name, ours in ALGORITHMS.items() if name in settings}


class Server(asyncssh.SSHServer):
    """Lets in one user, by what the settings hold: password, interactive steps, authorised keys."""

    def __init__(self, settings):
        self.settings = settings
        self.step = 0
        self.conn = None

    def connection_made(self, conn):
        self.conn = conn

    def begin_auth(self, username):
        print("agreed", *(self.conn.get_extra_info(f"{way}_{kind}")
                          for kind in ("cipher", "mac", "compression") for way in ("recv", "send")),
              file=sys.stderr, flush=True)
        if "banner" in self.settings:
            self.conn.send_auth_banner(self.settings["banner"])
        return True

    def password_auth_supported(self):
        return "password" in self.settings

    def validate_password(self, username, password):
        if username != self.settings["user"]:
            return False
        if password == self.settings.get("expiredPassword"):
            raise asyncssh.PasswordChangeRequired("Your password has expired")
        return password == self.settings["password"]

    def change_password(self, username, old_password, new_password):
        if old_password != self.settings.get("expiredPassword") or len(new_password) < 8:
            raise asyncssh.PasswordChangeRequired("At least eight characters")
        self.settings["password"] = new_password
        return True

    def kbdint_auth_supported(self):
        return "interactive" in self.settings

    def get_kbdint_challenge(self, username, lang, submethods):
        self.step = 0
        return self.challenge()

    def challenge(self):
        step = self.settings["interactive"][self.step]
        prompts = [(prompt["text"], prompt["echo"]) for prompt in step["prompts"]]
        return step.get("name", ""), step.get("instruction", ""), "", prompts

    def validate_kbdint_response(self, username, responses):
        wanted = [prompt["answer"] for prompt in self.settings["interactive"][self.step]["prompts"]]
        if username != self.settings["user"] or list(responses) != wanted:
            return False
        self.step += 1
        return True if self.step == len(self.settings["interactive"]) else self.challenge()

    def connection_requested(self, dest_host, dest_port, orig_host, orig_port):
        return True

    def server_requested(self, listen_host, listen_port):
        return True

    def unix_connection_requested(self, dest_path):
        return True

    def unix_server_requested(self, listen_path):
        return True


async def pump(source, sink):
    """Copies until the source ends; a sink that is gone ends it too."""
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    except (BrokenPipeError, ConnectionResetError, asyncssh.BreakReceived):
        pass


async def run_process(process):
    """Runs the requested command with the shell, connected to the channel's three streams."""
    environment = {key: value for key, value in process.env.items()}
    term = process.get_terminal_type()
    if term:
        environment["TERM"] = term
    child = await asyncio.create_subprocess_exec(
        "sh", "-c", process.command or "cat",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", **environment},
    )

    async def feed():
        await pump(process.stdin, child.stdin)
        child.stdin.close()

    feeding = asyncio.create_task(feed())
    await asyncio.gather(pump(child.stdout, process.stdout), pump(child.stderr, process.stderr))
    code = await child.wait()
    feeding.cancel()
    if code < 0:
        process.exit_with_signal({-9: "KILL", -15: "TERM", -1: "HUP", -2: "INT"}[code])
    else:
        process.exit(code)


async def serve(settings):
    server = await asyncssh.listen(
        "127.0.0.1", 0,
        server_factory=lambda: Server(settings),
        server_host_keys=settings["hostKeys"],
        authorized_client_keys=settings.get("authorizedKeys"),
        process_factory=run_process,
        sftp_factory=True,
        encoding=None,
        agent_forwarding=True,
        x11_forwarding=False,
        **algorithms(settings),
    )
    print("listening", server.sockets[0].getsockname()[1], flush=True)
    await server.wait_closed()


class Client(asyncssh.SSHClient):
    """Answers keyboard-interactive prompts, and changes passwords, as the settings say, in order."""

    def __init__(self, settings):
        self.answers = list(settings.get("answers", []))
        self.password = settings.get("password")
        self.new_passwords = list(settings.get("newPasswords", []))

    def kbdint_auth_requested(self):
        return "" if self.answers else None

    def kbdint_challenge_received(self, name, instructions, lang, prompts):
        print("asked", json.dumps([name, instructions, prompts]), file=sys.stderr)
        return [self.answers.pop(0) for _ in prompts]

    def password_change_requested(self, prompt, lang):
        print("change", prompt, file=sys.stderr)
        return (self.password, self.new_passwords.pop(0)) if self.new_passwords else NotImplemented

    def password_changed(self):
        print("changed", file=sys.stderr)

    def password_change_failed(self):
        print("not changed", file=sys.stderr)

    def auth_banner_received(self, msg, lang):
        print("banner", msg, file=sys.stderr)


async def client(settings):
    async with asyncssh.connect(
        settings["hostname"], settings["port"],
        client_factory=lambda: Client(settings),
        username=settings["user"],
        password=settings.get("password"),
        client_keys=[settings["identity"]] if "identity" in settings else None,
        known_hosts=settings.get("knownHosts"),
        server_host_key_algs=settings.get("hostKeyAlgorithms", ()),
        agent_path=None, config=None,
        **algorithms(settings),
    ) as conn:
        print("agreed", conn.get_extra_info("recv_cipher"), conn.get_extra_info("recv_mac"),
              conn.get_extra_info("send_cipher"), conn.get_extra_info("send_mac"), file=sys.stderr)
        return await ACTIONS[settings["action"]](conn, settings, *settings["args"])


async def execute(conn, settings, command):
    process = await conn.create_process(
        command, encoding=None, env=settings.get("env", {}),
        term_type=settings.get("term"), stdin=sys.stdin.buffer, stdout=sys.stdout.buffer,
        stderr=sys.stderr.buffer,
    )
    result = await process.wait()
    if result.exit_signal:
        print("signal", result.exit_signal[0], file=sys.stderr)
    return 255 if result.exit_status is None else result.exit_status


async def get(conn, _settings, remote, local):
    async with conn.start_sftp_client() as sftp:
        await sftp.get(remote, local, recurse=True, preserve=True)


async def put(conn, _settings, local, remote):
    async with conn.start_sftp_client() as sftp:
        await sftp.put(local, remote, recurse=True, preserve=True)


async def names(conn, _settings, path):
    async with conn.start_sftp_client() as sftp:
        print("\n".join(sorted(await sftp.listdir(path))))


async def everything(conn, _settings, folder):
    """All operations of asyncssh's client, in an existing empty folder."""
    data = os.urandom(3_000_001)
    async with conn.start_sftp_client() as sftp:
        await sftp.chdir(folder)
        await sftp.makedirs("tree/deep er/ü")
        await sftp.mkdir("tree/empty")
        await refused(asyncssh.SFTPFailure, sftp.mkdir("tree/empty"))
        await sftp.rmdir("tree/empty")
        async with sftp.open("tree/one", "wb+") as file:
            await file.write(data)
            await file.fsync()
            assert await file.read(10, 1_000_000) == data[1_000_000:1_000_010]
            assert (await file.stat()).size == len(data)
            assert (await file.statvfs()).namemax > 0
            await file.truncate(2_000_000)
            await file.chmod(0o640)
        async with sftp.open("tree/one", "rb", block_size=10_000, max_requests=100) as file:
            assert await file.read() == data[:2_000_000]
        async with sftp.open("tree/one", "ab") as file:
            await file.write(b"end")
        assert (await sftp.getsize("tree/one")) == 2_000_003
        await sftp.remote_copy("tree/one", "tree/two")
        await refused(asyncssh.SFTPFailure, sftp.rename("tree/one", "tree/two"))
        await sftp.posix_rename("tree/one", "tree/two")
        await sftp.rename("tree/two", "tree/three")
        await sftp.link("tree/three", "tree/hard")
        await sftp.symlink("three", "tree/soft")
        assert await sftp.readlink("tree/soft") == "three"
        assert await sftp.islink("tree/soft") and await sftp.isfile("tree/soft")
        await sftp.utime("tree/soft", (1_100_000_000, 1_200_000_000), follow_symlinks=False)
        await sftp.utime("tree/three", (1_000_000_000, 1_000_000_000))
        await sftp.chmod("tree/three", 0o600)
        info = await sftp.stat("tree/hard")
        assert (info.permissions & 0o777, info.mtime) == (0o600, 1_000_000_000)
        assert (await sftp.lstat("tree/soft")).mtime == 1_200_000_000
        await sftp.chown("tree/three", info.uid, info.gid)
        assert await sftp.realpath("tree/../tree/./three") == f"{folder}/tree/three"
        assert sorted(await sftp.glob("tree/[hst]*")) == ["tree/hard", "tree/soft", "tree/three"]
        names = sorted([entry.filename async for entry in sftp.scandir("tree")])
        assert names == [".", "..", "deep er", "hard", "soft", "three"], names
        assert (await sftp.statvfs(".")).blocks > 0
        await refused(asyncssh.SFTPNoSuchFile, sftp.stat("none"))
        await refused(asyncssh.SFTPNoSuchFile, sftp.open("none/none", "w"))

        async def one(number):
            async with sftp.open(f"tree/deep er/{number}", "w") as file:
                await file.write("x" * number)
            return await sftp.getsize(f"tree/deep er/{number}")

        assert await asyncio.gather(*map(one, range(200))) == list(range(200))
        await sftp.rmtree("tree")
        assert not await sftp.exists("tree")


async def refused(kind, request):
    try:
        await request
    except kind:
        return
    raise AssertionError(f"not refused as {kind.__name__}")


async def dial(conn, _settings, host, port):
    reader, writer = await conn.open_connection(host, int(port))
    writer.write(sys.stdin.buffer.read())
    writer.write_eof()
    sys.stdout.buffer.write(await reader.read())


async def seed(conn, _settings):
    """The features of asyncssh's channels beyond paramiko's, one line of JSON each."""
    process = await conn.create_process("signals")
    await process.stdout.readline()
    process.send_signal("USR1")
    process.channel.send_break(500)
    process.terminate()
    await process.wait_closed()
    show("signals", [await process.stdout.read(), process.exit_status])

    result = await conn.run("killed")
    show("exit_signal", [result.stdout, *result.exit_signal[:3]])

    process = await conn.create_process(term_type="vt220", term_size=(90, 30, 900, 300))
    first = await process.stdout.readline()
    process.change_terminal_size(100, 40)
    show("terminal", [first, await process.stdout.read()])

    result = await conn.run("echo", input="over the wire")
    show("half_close", [result.stdout, result.exit_status])

    result = await conn.run("env", env={"LC_ONE": "1", "LC_TWO": "2"})
    show("env", json.loads(result.stdout))

    result = await conn.run("both", stderr=asyncssh.STDOUT)
    show("merged", sorted(result.stdout.split()))

    result = await conn.run("big")
    show("big", [len(result.stdout), result.exit_status])

    results = await asyncio.gather(*(conn.run("echo", input=str(n)) for n in range(50)))
    show("at_once", [result.stdout for result in results] == [str(n) for n in range(50)])


def show(row, result):
    print(json.dumps([row, result]), flush=True)


ACTIONS = {"seed": seed, "exec": execute, "get": get, "put": put, "list": names, "dial": dial,
           "everything": everything}


def main():
    role, settings = sys.argv[1], json.loads(sys.argv[2])
    try:
        sys.exit(asyncio.run({"server": serve, "client": client}[role](settings)))
    except (OSError, asyncssh.Error) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(254)


if __name__ == "__main__":
    main()
