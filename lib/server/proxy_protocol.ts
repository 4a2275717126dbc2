/**
 * The PROXY protocol, versions 1 and 2, with which a load balancer sends the address of the client
 * whose connection it forwards.
 */
import { ConnectError, printable } from "../errors.ts";
import type { Socket } from "../transport/socket.ts";

/** The longest line of version 1, including its end. */
const MAX_LINE = 107;

/** Maximum bytes of addresses and extensions in version 2; real headers have a few dozen. */
const MAX_ADDRESSES = 2048;

const SIGNATURE = new Uint8Array([13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10]);

/** Version 2: the balancer itself made the connection. */
const LOCAL = 0;
const TCP4 = 0x11;
const TCP6 = 0x21;

/**
 * Reads the header of a connection from a proxy, and no byte after it.
 *
 * @returns The client's address; null if the proxy itself made the connection, or the kind is unknown
 * @throws {ConnectError} If the header is missing
 */
export async function readProxyHeader(socket: Socket): Promise<Deno.NetAddr | null> {
  const start = await exactly(socket, SIGNATURE.length);
  if (start.every((byte, at) => byte === SIGNATURE[at])) return await version2(socket);
  const text = latin1(start);
  if (text.startsWith("PROXY ")) return version1(text + await restOfLine(socket, text.length));
  throw bad(`it begins with "${printable(text)}"`);
}

function version1(line: string): Deno.NetAddr | null {
  const [, family, source, target, port, targetPort, more] = line.trimEnd().split(" ");
  if (family === "UNKNOWN") return null;
  const hasAll = source && target && isPort(port) && isPort(targetPort) && more === undefined;
  if (!hasAll || (family !== "TCP4" && family !== "TCP6")) throw bad(`"${printable(line)}"`);
  if (family === "TCP4" ? !isV4(source) : !isV6(source)) throw bad(`"${printable(line)}"`);
  return { transport: "tcp", hostname: source, port: Number(port) };
}

async function restOfLine(socket: Socket, length: number): Promise<string> {
  let rest = "";
  while (!rest.endsWith("\r\n")) {
    if (length + rest.length >= MAX_LINE) throw bad("its line does not end");
    rest += latin1(await exactly(socket, 1));
  }
  return rest;
}

async function version2(socket: Socket): Promise<Deno.NetAddr | null> {
  const [version, family, high, low] = await exactly(socket, 4);
  const length = high! << 8 | low!;
  if (version! >> 4 !== 2) throw bad(`it has version ${version! >> 4}`);
  if ((version! & 15) > 1) throw bad(`it has the unknown command ${version! & 15}`);
  if (length > MAX_ADDRESSES) throw bad(`its addresses have ${length} bytes`);
  const body = await exactly(socket, length);
  if ((version! & 15) === LOCAL || (family !== TCP4 && family !== TCP6)) return null;
  const size = family === TCP4 ? 4 : 16;
  if (length < 2 * size + 4) throw bad("its addresses are cut short");
  const address = body.subarray(0, size);
  return {
    transport: "tcp",
    hostname: family === TCP4 ? address.join(".") : groups(address),
    port: body[2 * size]! << 8 | body[2 * size + 1]!,
  };
}

function groups(address: Uint8Array): string {
  const words = Array.from({ length: 8 }, (_, at) => address[2 * at]! << 8 | address[2 * at + 1]!);
  return new URL(`http://[${words.map((word) => word.toString(16)).join(":")}]`).hostname
    .slice(1, -1);
}

async function exactly(socket: Socket, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const n = await socket.read(bytes.subarray(at));
    if (n === null) throw bad("it ends too early");
    at += n;
  }
  return bytes;
}

function isPort(text: string | undefined): boolean {
  return text !== undefined && /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65535;
}

function isV4(text: string): boolean {
  return /^(\d{1,3}\.){3}\d{1,3}$/.test(text) &&
    text.split(".").every((part) => Number(part) < 256);
}

function isV6(text: string): boolean {
  return /^[\da-f:.]{2,45}$/i.test(text) && text.includes(":") && URL.canParse(`http://[${text}]`);
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

function bad(why: string): ConnectError {
  return new ConnectError(`A proxy sent no header of the PROXY protocol: ${why}`);
}
