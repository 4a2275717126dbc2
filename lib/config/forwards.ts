import { ArgumentError, type Arguments } from "./arguments.ts";
import { portNumber } from "./values.ts";

/** An end of a tunnel: a port, or the path of a unix socket. */
export type ForwardEnd =
  | { readonly hostname: string | null; readonly port: number }
  | { readonly path: string };

/** A tunnel of LocalForward, RemoteForward or DynamicForward. */
export interface ForwardSetting {
  /** The start. A hostname of null was not given; `""` and `"*"` mean every address. */
  readonly from: ForwardEnd;
  /** The target; null means that clients choose it by SOCKS. */
  readonly to: ForwardEnd | null;
}

/** The kinds of tunnels, which differ in their optional parts. */
export type ForwardKind = "local" | "remote" | "dynamic";

/** Reads the one or two arguments of a directive. */
export function forward(kind: ForwardKind): (args: Arguments) => ForwardSetting {
  return (args) => {
    const from = args.next();
    const to = kind === "dynamic" ? null : args.optional();
    if (!to && kind === "local") throw new ArgumentError("Missing target argument.");
    const socks = !to;
    return parseForward(socks ? from : `${from}:${to}`, kind, socks);
  };
}

/**
 * Reads `[bind:]port:host:hostport` and its forms with unix sockets, or `[bind:]port` for SOCKS.
 *
 * @throws {ArgumentError} If it has another form
 */
export function parseForward(
  text: string,
  kind: ForwardKind,
  socks: boolean = kind === "dynamic",
): ForwardSetting {
  const fields = splitFields(text.trimStart());
  const setting = fields && (socks ? socksOf(fields) : tunnelOf(fields));
  // Only remote tunnels may ask for any free port.
  if (!setting || (kind !== "remote" && "port" in setting.from && setting.from.port === 0)) {
    throw new ArgumentError("Bad forwarding specification.");
  }
  return setting;
}

/** Whether two tunnels are the same. */
export function sameForward(a: ForwardSetting, b: ForwardSetting): boolean {
  return sameEnd(a.from, b.from) && sameEnd(a.to, b.to);
}

/** An end in the notation of `ssh -G`. */
export function showEnd(end: ForwardEnd): string {
  if ("path" in end) return end.path;
  return end.hostname === null ? `${end.port}` : `[${end.hostname}]:${end.port}`;
}

interface Field {
  readonly text: string;
  readonly isPath: boolean;
}

function socksOf(fields: readonly Field[]): ForwardSetting | null {
  if (fields.length > 2 || (fields.length === 2 && fields[1]!.isPath)) return null;
  const from = endOf(fields);
  return from && { from, to: null };
}

function tunnelOf(fields: readonly Field[]): ForwardSetting | null {
  const last = fields.at(-1);
  const count = last?.isPath ? 1 : 2;
  const from = endOf(fields.slice(0, -count));
  const to = endOf(fields.slice(-count));
  if (fields.length > 4 || !from || !to || ("port" in to && to.port === 0)) return null;
  return { from, to };
}

function endOf(fields: readonly Field[]): ForwardEnd | null {
  const [first, second, more] = fields;
  if (first === undefined || more !== undefined) return null;
  if (second === undefined && first.isPath) return { path: first.text };
  if (first.isPath || second?.isPath) return null;
  const port = portNumber((second ?? first).text);
  return port === null ? null : { hostname: second ? first.text : null, port };
}

/** The fields between colons; one in brackets may have colons itself. */
function splitFields(text: string): Field[] | null {
  const fields: Field[] = [];
  let rest = text;
  while (rest !== "") {
    const field = /^\[([^\]]*)\](?::|$)/s.exec(rest) ?? /^((?:\\.|[^:\\])*)(?::|$)/s.exec(rest);
    if (!field || (rest.startsWith("[") && !field[0].startsWith("["))) return null;
    const value = rest.startsWith("[") ? field[1]! : field[1]!.replace(/\\(.)/gs, "$1");
    fields.push({
      text: value,
      isPath: rest.startsWith("[") ? value.startsWith("/") : value.includes("/"),
    });
    rest = rest.slice(field[0].length);
  }
  return fields;
}

function sameEnd(a: ForwardEnd | null, b: ForwardEnd | null): boolean {
  return (a && showEnd(a)) === (b && showEnd(b));
}
