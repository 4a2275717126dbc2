// npm:ssh2 as a foreign SFTP client and server. Settings come as JSON in argv[2].
const assert = require("node:assert");
const crypto = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");
const { Readable } = require("node:stream");
const { pipeline } = require("node:stream/promises");
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
      else if (action === "everything") everything(sftp, from).then(() => done(), done);
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

// All operations of ssh2's client, in an existing empty folder.
async function everything(sftp, folder) {
  const call = (name, ...args) =>
    new Promise((resolve, reject) =>
      sftp[name](...args, (error, ...values) => error ? reject(error) : resolve(values[0]))
    );
  const refused = (name, ...args) => assert.rejects(call(name, ...args), name);
  const at = (name) => `${folder}/${name}`;
  const data = crypto.randomBytes(1_000_001);
  await call("mkdir", at("tree"));
  await refused("mkdir", at("tree"));
  const file = await call("open", at("tree/one"), "w+");
  // At most a block of ssh2's own making goes in one call.
  const blocks = Array.from({ length: 40 }, (_, i) => i * 25_001);
  const length = (from) => Math.min(25_001, data.length - from);
  await Promise.all(blocks.map((from) => call("write", file, data, from, length(from), from)));
  const seen = Buffer.alloc(data.length);
  await Promise.all(blocks.map((from) => call("read", file, seen, from, length(from), from)));
  assert(seen.equals(data));
  await call("ext_openssh_fsync", file);
  const copy = await call("open", at("tree/copy"), "wx");
  await call("ext_copy_data", file, 0, 0, copy, 0);
  await call("fchmod", copy, 0o640);
  await call("futimes", copy, 1e9, 1e9);
  const held = await call("fstat", copy);
  assert.deepEqual([held.size, held.mode & 0o777, held.mtime], [data.length, 0o640, 1e9]);
  assert((await call("ext_openssh_fstatvfs", file)).f_namemax > 0);
  for (const handle of [file, copy]) await call("close", handle);
  await refused("close", file);
  assert((await call("readFile", at("tree/copy"))).equals(data));
  await call("appendFile", at("tree/copy"), "end");
  assert.equal((await call("stat", at("tree/copy"))).size, data.length + 3);
  await refused("rename", at("tree/one"), at("tree/copy"));
  await call("ext_openssh_rename", at("tree/one"), at("tree/copy"));
  await call("rename", at("tree/copy"), at("tree/three"));
  await call("ext_openssh_hardlink", at("tree/three"), at("tree/hard"));
  await call("symlink", "three", at("tree/soft"));
  assert.equal(await call("readlink", at("tree/soft")), "three");
  await call("ext_openssh_lsetstat", at("tree/soft"), { atime: 11e8, mtime: 12e8 });
  assert.equal((await call("lstat", at("tree/soft"))).mtime, 12e8);
  await call("chmod", at("tree/three"), 0o600);
  await call("setstat", at("tree/three"), { size: 5 });
  await call("utimes", at("tree/three"), 1e9, 1e9);
  const info = await call("stat", at("tree/soft"));
  assert.deepEqual([info.size, info.mode & 0o777, info.mtime], [5, 0o600, 1e9]);
  await call("chown", at("tree/three"), info.uid, info.gid);
  assert.equal(await call("realpath", at("tree/../tree/./three")), at("tree/three"));
  // Of expand-path it writes the name wrongly, of users-groups-by-id it reads the answer wrongly.
  if (settings.home) assert.equal(await call("ext_home_dir", ""), settings.home);
  assert((await call("ext_openssh_statvfs", folder)).f_blocks > 0);
  const names = (await call("readdir", at("tree"))).map(({ filename }) => filename);
  assert.deepEqual(names.sort(), ["hard", "soft", "three"]);
  await refused("stat", at("none"));
  const writer = sftp.createWriteStream(at("tree/stream"));
  await pipeline(Readable.from([data.subarray(0, 7), data.subarray(7)]), writer);
  const chunks = await sftp.createReadStream(at("tree/stream")).toArray();
  assert(Buffer.concat(chunks).equals(data));
  await refused("rmdir", at("tree"));
  await Promise.all([...names, "stream"].map((name) => call("unlink", at(`tree/${name}`))));
  await call("rmdir", at("tree"));
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
    sftp.on("SYMLINK", (id, link, target) => answer(id, () => fs.symlinkSync(target, link)));
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
