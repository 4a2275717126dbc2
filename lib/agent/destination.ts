/**
 * The hosts that a key may be used for: OpenSSH's PROTOCOL.agent §2,
 * restrict-destination-v00@openssh.com.
 */
import { KeyFormatError, ProtocolError } from "../errors.ts";
import { parsePublicKey, type PublicKey } from "../keys/public_key.ts";
import { Reader } from "../wire/reader.ts";
import { Writer } from "../wire/writer.ts";

/** The name of the constraint. */
export const RESTRICT_DESTINATION = "restrict-destination-v00@openssh.com";

/** Maximum destinations of one key: OpenSSH's limit. */
const MAX_DESTINATIONS = 1024;

/** A host that an agent recognizes by its keys. */
export interface DestinationHost {
  /** The host's name: a pattern that a host certificate's principal must match. */
  readonly hostname: string;
  /** Its host keys. */
  readonly hostKeys?: readonly PublicKey[];
  /** Certificate authorities of host keys for `hostname`. */
  readonly authorities?: readonly PublicKey[];
}

/**
 * A permitted use of a key: a login to a host from here, or, with a forwarded agent, from another
 * host. Each hop of a longer path must be permitted.
 */
export interface KeyDestination {
  /** The host on which the login starts; the machine of the agent by default. */
  readonly from?: DestinationHost;
  /** The host that the login is for, and a pattern of its user names; any user by default. */
  readonly to: DestinationHost & { readonly user?: string };
}

/**
 * The contents of the constraint.
 *
 * @throws {RangeError} If the list is empty or too long
 * @throws {TypeError} If a host has neither a name nor keys
 */
export function encodeDestinations(destinations: readonly KeyDestination[]): Uint8Array {
  checkDestinations(destinations);
  const writer = new Writer();
  for (const { from, to } of destinations) {
    const way = new Writer().string(encodeHop(from)).string(encodeHop(to)).text("");
    writer.string(way.take());
  }
  return writer.take();
}

/**
 * Refuses invalid destinations: an empty list could mean none or all.
 *
 * @throws {RangeError} If the list is empty or too long
 * @throws {TypeError} If a host has neither a name nor keys
 */
export function checkDestinations(destinations: readonly KeyDestination[]): void {
  if (destinations.length === 0 || destinations.length > MAX_DESTINATIONS) {
    throw new RangeError(`A key has 1 to ${MAX_DESTINATIONS} destinations or is not bound to any`);
  }
  for (const { hostname, hostKeys = [], authorities = [] } of destinations.flatMap(hopsOf)) {
    if (hostname === "") throw new TypeError("A destination needs the name of a host");
    if (hostKeys.length + authorities.length === 0) {
      throw new TypeError(`The destination "${hostname}" needs a key of the host`);
    }
  }
}

function hopsOf({ from, to }: KeyDestination): DestinationHost[] {
  return from === undefined ? [to] : [from, to];
}

function encodeHop(hop: KeyDestination["to"] | undefined): Uint8Array {
  const writer = new Writer().text(hop?.user ?? "").text(hop?.hostname ?? "").text("");
  for (const { blob } of hop?.hostKeys ?? []) writer.string(blob).bool(false);
  for (const { blob } of hop?.authorities ?? []) writer.string(blob).bool(true);
  return writer.take();
}

/**
 * Reads the contents of the constraint.
 *
 * @throws {ProtocolError} If they are malformed, or have unknown fields
 */
export function decodeDestinations(contents: Uint8Array): KeyDestination[] {
  const reader = new Reader(contents);
  const destinations: KeyDestination[] = [];
  while (reader.remaining > 0) {
    if (destinations.length === MAX_DESTINATIONS) throw new ProtocolError("Too many destinations");
    destinations.push(decodeDestination(new Reader(reader.string())));
  }
  if (destinations.length === 0) throw new ProtocolError("The key has no permitted destination");
  return destinations;
}

function decodeDestination(reader: Reader): KeyDestination {
  const from = decodeHop(new Reader(reader.string()));
  const to = decodeHop(new Reader(reader.string()));
  refuseMore(reader.string());
  reader.end();
  if (from.user !== "" || (from.hostname === "") !== (from.count === 0)) {
    throw new ProtocolError("The start of a destination is incomplete");
  }
  if (to.hostname === "" || to.count === 0) {
    throw new ProtocolError("The host of a destination is incomplete");
  }
  const { user, host } = to;
  return {
    ...from.hostname !== "" && { from: from.host },
    to: user === "" ? host : { ...host, user },
  };
}

function decodeHop(reader: Reader): {
  user: string;
  hostname: string;
  count: number;
  host: DestinationHost;
} {
  const user = reader.text();
  const hostname = reader.text();
  refuseMore(reader.string());
  const hostKeys: PublicKey[] = [];
  const authorities: PublicKey[] = [];
  let count = 0;
  for (; reader.remaining > 0; count++) {
    const blob = reader.string().slice();
    const key = readKey(blob);
    (reader.bool() ? authorities : hostKeys).push(...key);
  }
  return { user, hostname, count, host: { hostname, hostKeys, authorities } };
}

/** A key of an unknown type cannot be matched; the other keys of its host still count. */
function readKey(blob: Uint8Array): PublicKey[] {
  try {
    return [parsePublicKey(blob)];
  } catch (error) {
    if (error instanceof KeyFormatError) return [];
    throw error;
  }
}

function refuseMore(extension: Uint8Array): void {
  if (extension.length > 0) throw new ProtocolError("A destination has an unknown extension");
}
