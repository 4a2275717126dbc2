// npm:ssh2 as a foreign SFTP client and server. Settings come as JSON in argv[2].
const fs = require("node:fs");
const path = require("node:path");
const { Client, Server, utils } = require("ssh2");

const settings = JSON.parse(process.argv[2]);
settings.role === "server" ? serve() : connect();

function connect() {
  const client = new Client();
  client.on("ready", () => {
    client.sftp((error, sftp) => {
      if (error) throw error;
      const done = (error) => {
        if (error) throw error;
        client.end();
      };
      const [action, from, to] = settings.action;
      if (action === "get") sftp.fastGet(from, to, done);
      else if (action === "put") sftp.fastPut(from, to, done);
      else {
        sftp.readdir(from, (error, list) => {
          if (!error) console.log(list.map(({ filename }) => filename).sort().join("\n"));
          done(error);
        });
      }
    });
  });
  client.connect({
    host: settings.hostname,
    port: settings.port,
    username: settings.user,
    privateKey: fs.readFileSync(settings.identity),
  });
}

function serve() {
  const { STATUS_CODE, OPEN_MODE } = utils.sftp;
  const { O_RDONLY, O_WRONLY, O_RDWR, O_APPEND, O_CREAT, O_TRUNC, O_EXCL } = fs.constants;
  const openFlags = (flags) => {
    const writes = flags & OPEN_MODE.WRITE;
    return (writes ? (flags & OPEN_MODE.READ ? O_RDWR : O_WRONLY) : O_RDONLY) |
      (flags & OPEN_MODE.APPEND ? O_APPEND : 0) | (flags & OPEN_MODE.CREAT ? O_CREAT : 0) |
      (flags & OPEN_MODE.TRUNC ? O_TRUNC : 0) | (flags & OPEN_MODE.EXCL ? O_EXCL : 0);
  };
  const server = new Server({ hostKeys: [fs.readFileSync(settings.hostKey)] }, (client) => {
    client.on("authentication", (context) => context.accept());
    client.on("error", () => {});
    client.on("session", (accept) => accept().on("sftp", (accept) => files(accept())));
  });
  server.listen(0, "127.0.0.1", () => console.log("listening", server.address().port));

  function files(sftp) {
    const handles = new Map();
    let next = 0;
    const add = (value) => {
      const handle = Buffer.alloc(4);
      handle.writeUInt32BE(++next);
      handles.set(next, value);
      return handle;
    };
    const of = (handle) => handles.get(handle.readUInt32BE(0));
    const fail = (id, error) =>
      sftp.status(id, error.code === "ENOENT" ? STATUS_CODE.NO_SUCH_FILE : STATUS_CODE.FAILURE);
    const answer = (id, run, reply) => {
      try {
        const value = run();
        reply ? reply(value) : sftp.status(id, STATUS_CODE.OK);
      } catch (error) {
        fail(id, error);
      }
    };
    const change = (name, attrs) => {
      if (attrs.mode !== undefined) fs.chmodSync(name, attrs.mode & 0o777);
      if (attrs.size !== undefined) fs.truncateSync(name, attrs.size);
      if (attrs.mtime !== undefined) fs.utimesSync(name, attrs.atime, attrs.mtime);
    };
    const attrs = (stats) => ({
      mode: stats.mode,
      uid: stats.uid,
      gid: stats.gid,
      size: stats.size,
      atime: stats.atimeMs / 1000,
      mtime: stats.mtimeMs / 1000,
    });
    sftp.on(
      "OPEN",
      (id, name, flags, { mode = 0o666 }) =>
        answer(
          id,
          () => ({ name, fd: fs.openSync(name, openFlags(flags), mode) }),
          (file) => sftp.handle(id, add(file)),
        ),
    );
    sftp.on("READ", (id, handle, offset, length) => {
      const block = Buffer.alloc(length);
      answer(
        id,
        () => fs.readSync(of(handle).fd, block, 0, length, offset),
        (count) =>
          count === 0 ? sftp.status(id, STATUS_CODE.EOF) : sftp.data(id, block.subarray(0, count)),
      );
    });
    sftp.on(
      "WRITE",
      (id, handle, offset, data) =>
        answer(id, () => fs.writeSync(of(handle).fd, data, 0, data.length, offset)),
    );
    sftp.on(
      "FSTAT",
      (id, handle) =>
        answer(id, () => fs.fstatSync(of(handle).fd), (stats) => sftp.attrs(id, attrs(stats))),
    );
    sftp.on("FSETSTAT", (id, handle, to) => answer(id, () => change(of(handle).name, to)));
    sftp.on("SETSTAT", (id, name, to) => answer(id, () => change(name, to)));
    sftp.on("CLOSE", (id, handle) => {
      const { fd } = of(handle);
      handles.delete(handle.readUInt32BE(0));
      answer(id, () => fd !== undefined && fs.closeSync(fd));
    });
    sftp.on(
      "OPENDIR",
      (id, name) =>
        answer(
          id,
          () => ({ name, names: fs.readdirSync(name) }),
          (folder) => sftp.handle(id, add(folder)),
        ),
    );
    sftp.on("READDIR", (id, handle) => {
      const folder = of(handle);
      if (folder.names.length === 0) return sftp.status(id, STATUS_CODE.EOF);
      const entries = folder.names.splice(0).map((filename) => ({
        filename,
        longname: filename,
        attrs: attrs(fs.lstatSync(path.join(folder.name, filename))),
      }));
      sftp.name(id, entries);
    });
    for (const [event, look] of [["STAT", fs.statSync], ["LSTAT", fs.lstatSync]]) {
      sftp.on(
        event,
        (id, name) => answer(id, () => look(name), (stats) => sftp.attrs(id, attrs(stats))),
      );
    }
    sftp.on("REMOVE", (id, name) => answer(id, () => fs.unlinkSync(name)));
    sftp.on("RMDIR", (id, name) => answer(id, () => fs.rmdirSync(name)));
    sftp.on("MKDIR", (id, name) => answer(id, () => fs.mkdirSync(name)));
    sftp.on("RENAME", (id, from, to) =>
      answer(id, () => {
        if (fs.existsSync(to)) throw new Error("it is there");
        fs.renameSync(from, to);
      }));
    sftp.on(
      "REALPATH",
      (id, name) =>
        answer(
          id,
          () => path.resolve("/", name),
          (filename) => sftp.name(id, [{ filename, longname: filename, attrs: {} }]),
        ),
    );
    sftp.on("SYMLINK", (id, target, link) => answer(id, () => fs.symlinkSync(target, link)));
    sftp.on(
      "READLINK",
      (id, name) =>
        answer(
          id,
          () => fs.readlinkSync(name),
          (filename) => sftp.name(id, [{ filename, longname: filename, attrs: {} }]),
        ),
    );
  }
}
