/** Converts the messages of forwarding to addresses and back: RFC 4254 §7 and OpenSSH PROTOCOL §2.4. */
import { printable } from "../errors.ts";
import {
  DirectStreamlocal,
  ForwardedStreamlocal,
  StreamlocalForward,
  TcpipForward,
  TcpipOpen,
} from "../wire/requests.ts";
import { addrOf, bindOf, type ForwardAddress, targetOf } from "./address.ts";

/** The two families of forwarding: TCP and Unix sockets. */
export type Family = "tcpip" | "streamlocal";

export const FAMILIES: readonly Family[] = ["tcpip", "streamlocal"];

/** The names of a family's messages. */
export const NAMES = {
  tcpip: {
    direct: "direct-tcpip",
    forwarded: "forwarded-tcpip",
    forward: "tcpip-forward",
    cancel: "cancel-tcpip-forward",
  },
  streamlocal: {
    direct: "direct-streamlocal@openssh.com",
    forwarded: "forwarded-streamlocal@openssh.com",
    forward: "streamlocal-forward@openssh.com",
    cancel: "cancel-streamlocal-forward@openssh.com",
  },
} as const;

/** The originator for connections without one; some servers refuse port 0. */
const NOBODY: Deno.NetAddr = { transport: "tcp", hostname: "127.0.0.1", port: 65535 };

export function familyOf(address: ForwardAddress): Family {
  return "path" in address ? "streamlocal" : "tcpip";
}

/** The type-specific data of a channel open towards `target`. */
export function encodeDirect(target: ForwardAddress, from: Deno.Addr | null): Uint8Array {
  if ("path" in target) {
    return DirectStreamlocal.encode({ path: target.path, reserved: "", reservedNumber: 0 });
  }
  return encodeTcpip(target, from);
}

/** The type-specific data of a channel open for a connection to `bound`. */
export function encodeForwarded(bound: ForwardAddress, from: Deno.Addr | null): Uint8Array {
  if ("path" in bound) return ForwardedStreamlocal.encode({ path: bound.path, reserved: "" });
  return encodeTcpip(bound, from);
}

/** @throws If the bytes or the address are malformed */
export function decodeDirect(family: Family, data: Uint8Array): ForwardAddress {
  if (family === "streamlocal") return targetOf({ path: DirectStreamlocal.decode(data).path });
  const { address: hostname, port } = TcpipOpen.decode(data);
  return targetOf({ hostname, port });
}

/** The listening address and the originator of a forwarded connection. */
export function decodeForwarded(
  family: Family,
  data: Uint8Array,
): { bound: ForwardAddress; from: Deno.Addr } {
  if (family === "streamlocal") {
    const bound = { path: ForwardedStreamlocal.decode(data).path };
    return { bound, from: addrOf(bound) };
  }
  const { address, port, originatorAddress, originatorPort } = TcpipOpen.decode(data);
  return {
    bound: { hostname: address, port },
    // Made printable, because the peer may send any text, and programs print it.
    from: { transport: "tcp", hostname: printable(originatorAddress), port: originatorPort },
  };
}

/** The data of the requests to listen on an address and to stop listening. */
export function encodeBind(address: ForwardAddress): Uint8Array {
  return "path" in address
    ? StreamlocalForward.encode(address)
    : TcpipForward.encode({ address: address.hostname, port: address.port });
}

/** @throws If the bytes or the address are malformed */
export function decodeBind(family: Family, data: Uint8Array): ForwardAddress {
  if (family === "streamlocal") return bindOf(StreamlocalForward.decode(data), "");
  const { address: hostname, port } = TcpipForward.decode(data);
  return bindOf({ hostname, port }, "");
}

function encodeTcpip(
  { hostname: address, port }: { hostname: string; port: number },
  from: Deno.Addr | null,
): Uint8Array {
  const { hostname, port: originatorPort } = from?.transport === "tcp" ? from : NOBODY;
  return TcpipOpen.encode({ address, port, originatorAddress: hostname, originatorPort });
}
