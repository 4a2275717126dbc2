"""A foreign SSH server and client for the tests, over Twisted's conch. Settings come as JSON in argv[2]."""

import json
import os
import sys

from twisted.conch import avatar, unix
from twisted.conch.checkers import InMemorySSHKeyDB, SSHPublicKeyChecker
from twisted.conch.ssh import channel, common, connection, factory, filetransfer, keys, session
from twisted.conch.ssh import transport, userauth
from twisted.cred import portal
from twisted.internet import defer, protocol, reactor, task
from twisted.python import components
from zope.interface import implementer

CHUNK = 32768
WINDOW = 16  # requests at once


class Avatar(avatar.ConchUser):
    """The user who runs the tests; Twisted's own would need root's powers to become one."""

    def __init__(self):
        super().__init__()
        self.channelLookup[b"session"] = session.SSHSession
        self.subsystemLookup[b"sftp"] = filetransfer.FileTransferServer

    def _runAsUser(self, function, *args, **named):
        steps = [(function, args, named)] if callable(function) else function
        for step, *rest in steps:
            result = step(*(rest[0] if rest else ()), **(rest[1] if len(rest) > 1 else {}))
        return result


class Files(unix.SFTPServerForUnixConchUser):
    """All files of this machine, by Twisted's own server."""

    def _absPath(self, path):
        return os.path.join(os.getcwd(), os.fsdecode(path))


@implementer(session.ISession)
class Session:
    """Runs commands with the shell."""

    def __init__(self, _avatar):
        self.child = None

    def execCommand(self, proto, command):
        self.child = reactor.spawnProcess(proto, "/bin/sh", ["sh", "-c", command], os.environ)

    def eofReceived(self):
        if self.child:
            self.child.closeStdin()

    def closed(self):
        if self.child:
            self.child.loseConnection()


@implementer(portal.IRealm)
class Realm:
    def requestAvatar(self, username, mind, *interfaces):
        return interfaces[0], Avatar(), lambda: None


def serve(settings):
    components.registerAdapter(Files, Avatar, filetransfer.ISFTPServer)
    components.registerAdapter(Session, Avatar, session.ISession)
    with open(settings["authorizedKeys"], "rb") as lines:
        allowed = [keys.Key.fromString(line) for line in lines if line.strip()]
    checker = SSHPublicKeyChecker(InMemorySSHKeyDB({settings["user"].encode(): allowed}))
    server = factory.SSHFactory()
    server.portal = portal.Portal(Realm(), [checker])
    own = [keys.Key.fromFile(path) for path in settings["hostKeys"]]
    server.privateKeys = {key.sshType(): key for key in own}
    server.publicKeys = {name: key.public() for name, key in server.privateKeys.items()}
    server.primes = None
    port = reactor.listenTCP(0, server, interface="127.0.0.1")
    print("listening", port.getHost().port, flush=True)
    reactor.run()


class Transport(transport.SSHClientTransport):
    def __init__(self, settings, ready):
        self.settings = settings
        self.ready = ready

    def verifyHostKey(self, key, fingerprint):
        return defer.succeed(1)

    def connectionSecure(self):
        print("agreed", self.outgoingCompressionType, self.currentEncryptions.outCipType,
              self.currentEncryptions.outMACType, file=sys.stderr)
        self.requestService(Auth(self.settings, Connection(self.ready)))

    def receiveError(self, code, description):
        self.fail(f"disconnected: {code} {description!r}")

    def connectionLost(self, reason):
        self.fail(f"lost: {reason.getErrorMessage()}")

    def fail(self, why):
        if not self.ready.called:
            self.ready.errback(ConnectionError(why))


class Auth(userauth.SSHUserAuthClient):
    def __init__(self, settings, instance):
        super().__init__(settings["user"].encode(), instance)
        self.key = keys.Key.fromFile(settings["identity"])
        self.asked = False

    def getPublicKey(self):
        if self.asked:
            return None
        self.asked = True
        return self.key.public()

    def getPrivateKey(self):
        return defer.succeed(self.key)

    def getPassword(self, prompt=None):
        return None


class Connection(connection.SSHConnection):
    def __init__(self, ready):
        super().__init__()
        self.ready = ready

    def serviceStarted(self):
        super().serviceStarted()
        self.ready.callback(self)


class Command(channel.SSHChannel):
    """A command whose output is this program's."""

    name = b"session"

    def __init__(self, command):
        super().__init__()
        self.command = command
        self.code = 255
        self.done = defer.Deferred()

    def openFailed(self, reason):
        self.done.errback(ConnectionError(f"no session: {reason}"))

    @defer.inlineCallbacks
    def channelOpen(self, _data):
        try:
            yield self.conn.sendRequest(self, b"exec", common.NS(self.command), wantReply=1)
        except Exception as error:
            self.done.errback(error)
            return
        self.write(sys.stdin.buffer.read())
        self.conn.sendEOF(self)

    def dataReceived(self, data):
        sys.stdout.buffer.write(data)

    def extReceived(self, _kind, data):
        sys.stderr.buffer.write(data)

    def request_exit_status(self, data):
        self.code = int.from_bytes(data, "big")

    def closed(self):
        sys.stdout.flush()
        self.done.callback(self.code)


class Subsystem(channel.SSHChannel):
    """The SFTP client on its channel."""

    name = b"session"

    def __init__(self):
        super().__init__()
        self.client = defer.Deferred()

    def openFailed(self, reason):
        self.client.errback(ConnectionError(f"no session: {reason}"))

    @defer.inlineCallbacks
    def channelOpen(self, _data):
        try:
            yield self.conn.sendRequest(self, b"subsystem", common.NS(b"sftp"), wantReply=1)
        except Exception as error:
            self.client.errback(error)
            return
        client = filetransfer.FileTransferClient()
        client.makeConnection(self)
        self.dataReceived = client.dataReceived
        self.client.callback(client)


def execute(conn, command):
    started = Command(command.encode())
    conn.openChannel(started)
    return started.done


def sftp(conn):
    subsystem = Subsystem()
    conn.openChannel(subsystem)
    return subsystem.client


@defer.inlineCallbacks
def put(conn, local, remote):
    client = yield sftp(conn)
    flags = filetransfer.FXF_WRITE | filetransfer.FXF_CREAT | filetransfer.FXF_TRUNC
    file = yield client.openFile(remote.encode(), flags, {})
    with open(local, "rb") as source:
        data = source.read()
    pieces = ((at, data[at:at + CHUNK]) for at in range(0, len(data), CHUNK))
    yield at_once(file.writeChunk(at, piece) for at, piece in pieces)
    yield file.close()


@defer.inlineCallbacks
def get(conn, remote, local):
    client = yield sftp(conn)
    file = yield client.openFile(remote.encode(), filetransfer.FXF_READ, {})
    size = (yield file.getAttrs())["size"]
    got = {}

    @defer.inlineCallbacks
    def piece(at):
        end = min(at + CHUNK, size)
        while at < end:
            data = yield file.readChunk(at, end - at)
            got[at] = data
            at += len(data)

    yield at_once(piece(at) for at in range(0, size, CHUNK))
    yield file.close()
    with open(local, "wb") as sink:
        for at in sorted(got):
            sink.write(got[at])


@defer.inlineCallbacks
def names(conn, path):
    client = yield sftp(conn)
    folder = yield client.openDirectory(path.encode())
    found = []
    while True:
        try:
            found += [name for name, _, _ in (yield folder.read())]
        except EOFError:
            break
    yield folder.close()
    print("\n".join(sorted(os.fsdecode(name) for name in found)))


def at_once(requests):
    cooperator = task.Cooperator()
    return defer.gatherResults([cooperator.coiterate(requests) for _ in range(WINDOW)])


ACTIONS = {"exec": execute, "put": put, "get": get, "list": names}


@defer.inlineCallbacks
def client(settings):
    ready = defer.Deferred()
    creator = protocol.ClientCreator(reactor, Transport, settings, ready)
    yield creator.connectTCP(settings["hostname"], settings["port"])
    conn = yield ready
    result = yield ACTIONS[settings["action"]](conn, *settings["args"])
    conn.transport.loseConnection()
    return result or 0


def main():
    role, settings = sys.argv[1], json.loads(sys.argv[2])
    if role == "server":
        serve(settings)
        return
    codes = []

    def failed(failure):
        print(failure.getTraceback(), file=sys.stderr)
        codes.append(254)

    def run():
        done = client(settings)
        done.addCallbacks(codes.append, failed)
        done.addBoth(lambda _: reactor.callLater(0.05, reactor.stop))

    reactor.callWhenRunning(run)
    reactor.run()
    sys.exit(codes[0])


if __name__ == "__main__":
    main()
