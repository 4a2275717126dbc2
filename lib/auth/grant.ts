/**
 * Options of a {@linkcode Grant}. An option that is not given is as in the server's options: a grant
 * restricts and never extends them.
 */
export interface GrantOptions {
  /**
   * The command that runs whatever the client requests. `"internal-sftp"` serves the server's files,
   * and may have the flags `-R`, `-d`, `-u`, `-p` and `-P` of sftp-server(8); with other flags every
   * session is refused. The requested command is the session's `originalCommand`.
   */
  readonly command?: string | undefined;
  /** Environment variables for commands; `systemShell()` sets them. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Whether the client may request a terminal. */
  readonly pty?: boolean;
  /** Whether the client may forward its agent. */
  readonly agentForwarding?: boolean;
  /** Whether the client may forward its display. */
  readonly x11Forwarding?: boolean;
  /** Whether the client may open tunnels. */
  readonly portForwarding?: boolean;
  /** The only addresses that it may connect to: `host:port`, either of which may be `*`. */
  readonly permitOpen?: readonly string[] | undefined;
  /** The only addresses on which it may have the server listen: `[host:]port`, the port perhaps `*`. */
  readonly permitListen?: readonly string[] | undefined;
  /** Whether the key's token need not have been touched (`sk-` keys). */
  readonly noTouchRequired?: boolean;
  /** Whether the token that holds the key must have verified its user (`sk-` keys). */
  readonly verifyRequired?: boolean;
}

/**
 * A policy's answer that lets a user in under conditions, instead of `true`, such as the options of
 * `authorized_keys`. It is a class so that no other object passes for one.
 *
 * @example
 * ```ts
 * import { publicKey } from "@denossh/ssh";
 * import { generateKey } from "@denossh/ssh/keys";
 * import { Grant } from "@denossh/ssh/server";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * using key = await generateKey();
 * await using pair = await connectedPair({
 *   connect: { auth: [publicKey(key)] },
 *   serve: { auth: { publicKey: () => new Grant({ command: "status" }) } },
 *   handler: (session) =>
 *     session.print(`${session.command} for ${session.originalCommand}`),
 * });
 * assertEquals(await pair.host.run("rm -r /"), "status for rm -r /");
 * ```
 */
export class Grant implements GrantOptions {
  /** The command that runs whatever the client requests, or undefined. */
  readonly command: string | undefined;
  /** Environment variables for commands. */
  readonly environment: Readonly<Record<string, string>>;
  /** Whether the client may request a terminal. */
  readonly pty: boolean;
  /** Whether the client may forward its agent. */
  readonly agentForwarding: boolean;
  /** Whether the client may forward its display. */
  readonly x11Forwarding: boolean;
  /** Whether the client may open tunnels. */
  readonly portForwarding: boolean;
  /** The only addresses that it may connect to, or undefined. */
  readonly permitOpen: readonly string[] | undefined;
  /** The only addresses on which it may have the server listen, or undefined. */
  readonly permitListen: readonly string[] | undefined;
  /** Whether the key's token need not have been touched. */
  readonly noTouchRequired: boolean;
  /** Whether the token that holds the key must have verified its user. */
  readonly verifyRequired: boolean;

  /** Creates a grant; without options it allows the same as the server. */
  constructor(options: GrantOptions = {}) {
    this.command = options.command;
    this.environment = { ...options.environment };
    this.pty = options.pty ?? true;
    this.agentForwarding = options.agentForwarding ?? true;
    this.x11Forwarding = options.x11Forwarding ?? true;
    this.portForwarding = options.portForwarding ?? true;
    this.permitOpen = options.permitOpen && [...options.permitOpen];
    this.permitListen = options.permitListen && [...options.permitListen];
    this.noTouchRequired = options.noTouchRequired ?? false;
    this.verifyRequired = options.verifyRequired ?? false;
  }

  /**
   * The intersection of two grants; null if they force different commands, so that nothing can run.
   *
   * @example
   * ```ts
   * import { Grant } from "@denossh/ssh/server";
   * import { assertEquals } from "@std/assert";
   *
   * const both = new Grant({ pty: false }).and(
   *   new Grant({ command: "uptime" }),
   * );
   * assertEquals([both?.pty, both?.command], [false, "uptime"]);
   * assertEquals(both?.and(new Grant({ command: "date" })), null);
   * ```
   */
  and(other: Grant): Grant | null {
    const { command = other.command } = this;
    if (other.command !== undefined && other.command !== command) return null;
    return new Grant({
      command,
      // A forced command runs without the other grant's variables, which could turn it into another
      // command.
      environment: {
        ...other.command === command && other.environment,
        ...this.command === command && this.environment,
      },
      pty: this.pty && other.pty,
      agentForwarding: this.agentForwarding && other.agentForwarding,
      x11Forwarding: this.x11Forwarding && other.x11Forwarding,
      portForwarding: this.portForwarding && other.portForwarding,
      permitOpen: common(this.permitOpen, other.permitOpen),
      permitListen: common(this.permitListen, other.permitListen),
      noTouchRequired: this.noTouchRequired && other.noTouchRequired,
      verifyRequired: this.verifyRequired || other.verifyRequired,
    });
  }
}

/** The entries that are in both lists, compared as text; an undefined list restricts nothing. */
function common(
  one: readonly string[] | undefined,
  other: readonly string[] | undefined,
): readonly string[] | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one.filter((entry) => other.includes(entry));
}
