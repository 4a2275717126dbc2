/** All parsers of input from peers, users and files. A parser's inputs are in the file with its name. */
import { assert } from "@std/assert";
import { Keyring } from "../../lib/agent/mod.ts";
import { listsAddress } from "../../lib/auth/address_list.ts";
import { authorize } from "../../lib/auth/authorize.ts";
import { ScpError, ScpProtocol } from "../../lib/cli/scp/scp_protocol.ts";
import { receiveAll } from "../../lib/cli/scp/sink.ts";
import { parseTarget } from "../../lib/client/options.ts";
import { Config, type LocalSide } from "../../lib/config/mod.ts";
import { readSetup } from "../../lib/connection/x11_setup.ts";
import { Opener } from "../../lib/crypto/packet_cipher.ts";
import {
  ConfigError,
  ConnectError,
  KeyFormatError,
  PassphraseError,
  ProtocolError,
  SftpError,
} from "../../lib/errors.ts";
import { describe } from "../../lib/forward/address.ts";
import { socksRouter } from "../../lib/forward/socks.ts";
import { decodeAuthorities } from "../../lib/forward/x11_authority.ts";
import {
  AllowedSigners,
  generateKey,
  importPrivateKey,
  importPublicKey,
  issueCertificate,
  parsePublicKey,
  type PublicKey,
  readSignature,
  RevocationList,
} from "../../lib/keys/mod.ts";
import { decodeEcdsa, decodeSignature } from "../../lib/keys/signature.ts";
import { KnownHosts } from "../../lib/known_hosts/mod.ts";
import { matchesHostList } from "../../lib/patterns.ts";
import { localFiles } from "../../lib/sftp/mod.ts";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { ClientSession } from "../../lib/sftp/remote/client_session.ts";
import { FXP } from "../../lib/sftp/protocol/numbers.ts";
import { readIdentification } from "../../lib/transport/identification.ts";
import { streamSocket } from "../../lib/transport/socket.ts";
import { MESSAGES } from "../../lib/wire/messages.ts";
import { framed, say } from "../agent/world.ts";
import { atOurServer } from "../sftp/raw.ts";
import { channelPair } from "../sftp/world.ts";
import { tempFolder } from "../support/temp.ts";

/** How to try one input. */
export interface Parser {
  /** Parses it, and returns the verdict in one word. */
  readonly read: (input: Uint8Array<ArrayBuffer>) => string | Promise<string>;
  /** The errors that it is documented to throw. */
  // deno-lint-ignore no-explicit-any
  readonly errors: readonly (new (...args: any[]) => Error)[];
}

/** A key that inputs contain, and the key to look up. */
export const KEY: PublicKey = importPublicKey(
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c",
);
const CERTIFICATE = await issueCertificate(await generateKey(), KEY, {
  kind: "user",
  keyId: "x",
  principals: ["ann"],
  serial: 9n,
});
const MESSAGE = text("message");
const PASSPHRASE = "x";

/** A fake system that does nothing. */
const local: LocalSide = {
  home: () => "/home/ann",
  user: () => "ann",
  uid: () => "1000",
  hostname: () => "desk.example.com",
  env: (name) => name === "HOME" ? "/home/ann" : undefined,
  run: () => Promise.resolve(false),
  resolve: () => Promise.resolve(null),
};

export const PARSERS = {
  /** A list of addresses; is 10.0.0.1 in it? */
  addresses: {
    read: (input) => listsAddress(string(input), "10.0.0.1") ? "listed" : "unlisted",
    errors: [],
  },
  /** One request to an agent without keys, without its length; the number of the answer. */
  agent_requests: {
    async read(input) {
      using keyring = new Keyring();
      const answer = await say(keyring, framed(...input), 5);
      return answer.length < 5 ? "hung-up" : `answer-${answer[4]}`;
    },
    errors: [],
  },
  allowed_signers: {
    read(input) {
      const signers = AllowedSigners.parse(string(input));
      signers.matchPrincipals("ann@example.com");
      return signers.findPrincipals({ publicKey: KEY }).length > 0 ? "allowed" : "unknown";
    },
    errors: [KeyFormatError],
  },
  /** What the file grants `ann` with the key, from 192.0.2.1. */
  authorized_keys: {
    read(input) {
      const attempt = { user: "ann", key: KEY, address: "192.0.2.1" };
      return authorize(string(input), attempt) === null ? "refused" : "granted";
    },
    errors: [],
  },
  /** `[user@]host[:port]`, as for connect() and ssh. */
  destinations: {
    read(input) {
      const { user, hostname, port } = parseTarget(string(input));
      const parts = [user, hostname, port].map((part) => `${part ?? "-"}`.slice(0, 40));
      return parts.join("|").replaceAll(" ", "_");
    },
    errors: [TypeError, RangeError],
  },
  /** The data of a server before its first packet. */
  identifications: {
    async read(input) {
      const readable = ReadableStream.from([input]);
      const socket = streamSocket({ readable, writable: new WritableStream() });
      await readIdentification(socket, "server");
      return "read";
    },
    errors: [ConnectError, ProtocolError],
  },
  /** The file's verdict on the key at host `db1`, port 22. */
  known_hosts: {
    read(input) {
      const known = KnownHosts.parse(string(input));
      known.keyTypes("db1", 2222);
      const after = known.without("db1", 22);
      assert(after.keyTypes("db1", 22).length === 0);
      for (const other of ["db2", "db3", "dx1"]) {
        assert(after.check(other, 22, KEY).verdict === known.check(other, 22, KEY).verdict, other);
      }
      return known.check("db1", 22, KEY).verdict;
    },
    errors: [],
  },
  /** One payload, by the table of messages. */
  messages: {
    read(input) {
      const row = MESSAGES.get(input[0] ?? -1);
      if (row === undefined) return "unknown";
      row.decode(input);
      return row.name;
    },
    errors: [ProtocolError],
  },
  /** Bytes before the first keys; the number of packets. */
  packets: {
    read(input) {
      using opener = new Opener();
      let count = 0;
      opener.push(input);
      while (opener.next() !== null) count++;
      return `packets-${count}`;
    },
    errors: [ProtocolError],
  },
  /** A list of host patterns, and a host in the last line. */
  patterns: {
    read(input) {
      const [, list, host] = /^([^]*)\n([^]*)$/.exec(string(input))!;
      return matchesHostList(list!, host!) ? "matches" : "differs";
    },
    errors: [],
  },
  /** A file of any format, with the passphrase `x`. */
  private_keys: {
    read(input) {
      using key = importPrivateKey(string(input), { passphrase: PASSPHRASE });
      return key.publicKey.type;
    },
    errors: [KeyFormatError, PassphraseError],
  },
  /** A key or certificate as it is sent. */
  public_blobs: {
    read(input) {
      const key = parsePublicKey(input);
      assert(parsePublicKey(key.blob).equals(key));
      key.fingerprint();
      return key.type;
    },
    errors: [KeyFormatError],
  },
  /** A line or file of any format. */
  public_keys: {
    read: (input) => importPublicKey(string(input)).type,
    errors: [KeyFormatError],
  },
  /** Is the key revoked? */
  revocation_lists: {
    read(input) {
      const list = RevocationList.parse(input);
      list.isRevoked(CERTIFICATE);
      return list.isRevoked(KEY) ? "revoked" : "good";
    },
    errors: [KeyFormatError],
  },
  /** The data of an scp source, for a sink that accepts folders. */
  scp_sources: {
    async read(input) {
      await using folder = await tempFolder();
      const [near, far] = channelPair();
      await far.writeAll(input);
      await far.closeWrite();
      let failed = 0;
      await receiveAll(folder.path, new ScpProtocol(near), {
        recursive: true,
        preserve: true,
        intoFolder: true,
        expected: () => true,
        signal: new AbortController().signal,
        rate: null,
        failed: () => failed++,
      });
      return `failed-${failed}`;
    },
    errors: [ScpError],
  },
  /** A server's data after a STAT with id 1; the size, or the error's status. */
  sftp_answers: {
    async read(input) {
      const [near, far] = channelPair();
      await far.writeAll(msg.encodeVersion(FXP.VERSION, 3));
      // Uses the layer below SftpClient, which would send more requests if the type is missing.
      const session = await ClientSession.open(near, {});
      const call = { operation: "stat", path: "/x" };
      const asked = session.request(msg.Stat, { path: "/x" }, msg.Attrs, call);
      await far.writeAll(input);
      await far.close();
      try {
        return `size-${(await asked).attributes.size ?? 0}`;
      } catch (error) {
        if (!(error instanceof SftpError)) throw error;
        return `status-${error.status}`;
      } finally {
        await session.close();
      }
    },
    errors: [],
  },
  /** A client's data to our server after VERSION; the types of the answers, and the codes of STATUS. */
  sftp_requests: {
    async read(input) {
      await using folder = await tempFolder();
      const { peer, served } = await atOurServer(localFiles({ root: folder.path }));
      const draining = (async () => {
        const answers: string[] = [];
        for (let answer; (answer = await peer.next()) !== null;) {
          const { type, body } = answer;
          answers.push(type === FXP.STATUS ? `status-${body[3]}` : `type-${type}`);
        }
        return answers;
      })();
      await peer.send(input);
      await peer.channel.closeWrite();
      const error = await served;
      if (error !== null) throw error;
      return (await draining).join("+") || "nothing";
    },
    errors: [SftpError],
  },
  /** A signature as it is sent, of the key over "message". */
  signatures: {
    read(input) {
      const { algorithm, bytes } = decodeSignature(input);
      if (algorithm.startsWith("ecdsa-")) decodeEcdsa(bytes);
      return KEY.verify("ssh-ed25519", MESSAGE, input) ? "good" : "bad";
    },
    errors: [ProtocolError],
  },
  /** A file of `ssh-keygen -Y sign` over "message". */
  signature_files: {
    read(input) {
      return readSignature(string(input)).verify(MESSAGE) ? "good" : "bad";
    },
    errors: [KeyFormatError],
  },
  /** The data of a SOCKS client; its target. */
  socks_clients: {
    async read(input) {
      let at = 0;
      let asked = "";
      const conn = {
        remoteAddr: { transport: "tcp", hostname: "127.0.0.1", port: 1 },
        read(into: Uint8Array): Promise<number | null> {
          const part = input.subarray(at, at + into.length);
          into.set(part);
          at += part.length;
          return Promise.resolve(part.length || null);
        },
        write: (bytes: Uint8Array) => Promise.resolve(bytes.length),
        close() {},
      } as unknown as Deno.Conn;
      const route = socksRouter((target) => {
        asked = describe(target).replaceAll(" ", "_");
        throw new TypeError("Nothing is dialled here");
      });
      try {
        await route(conn, new AbortController().signal);
      } catch (error) {
        if (asked === "") throw error;
      }
      return asked;
    },
    errors: [TypeError, RangeError],
  },
  /** A configuration, looked up for host `db1`. */
  ssh_configs: {
    async read(input) {
      const config = Config.parse(string(input));
      const settings = await config.lookup("db1", { local });
      assert(typeof settings.HostName === "string");
      assert((await config.show("db1", { local })).startsWith("host db1\n"));
      return "read";
    },
    errors: [ConfigError],
  },
  /** A file of X11 cookies; how many there are. */
  x11_authorities: {
    read: (input) => `entries-${decodeAuthorities(input).length}`,
    errors: [],
  },
  /** An X client's first message. */
  x11_setups: {
    async read(input) {
      let at = 0;
      await readSetup((into) => {
        if (at + into.length > input.length) throw new ProtocolError("The client has gone");
        into.set(input.subarray(at, at += into.length));
        return Promise.resolve();
      });
      return "read";
    },
    errors: [ProtocolError],
  },
} satisfies Record<string, Parser>;

export type ParserName = keyof typeof PARSERS;

/** The verdict on an input: the parser's word, or the name of a documented error. */
export async function verdictOf(name: ParserName, input: Uint8Array<ArrayBuffer>): Promise<string> {
  const { read, errors }: Parser = PARSERS[name];
  try {
    return await read(input);
  } catch (error) {
    if (errors.some((known) => error instanceof known)) return (error as Error).name;
    throw error;
  }
}

function string(input: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(input);
}

function text(value: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new TextEncoder().encode(value));
}
