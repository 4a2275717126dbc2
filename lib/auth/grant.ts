/**
 * What a {@linkcode Grant} says. What is not given is as the server's own options have it: a grant takes
 * away and never adds.
 */
export interface GrantOptions {
  /**
   * What runs whatever the client asks for; `"internal-sftp"` is the server's files, and may have the flags
   * `-R`, `-d`, `-u`, `-p` and `-P` of sftp-server(8), while others refuse every session. What was asked for
   * is the session's `originalCommand`.
   */
  readonly command?: string | undefined;
  /** Variables for what runs; `systemShell()` sets them. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Whether a terminal may be asked for. */
  readonly pty?: boolean;
  /** Whether the client may lend its agent. */
  readonly agentForwarding?: boolean;
  /** Whether the client may lend its display. */
  readonly x11Forwarding?: boolean;
  /** Whether the client may have tunnels at all. */
  readonly portForwarding?: boolean;
  /** The only addresses that it may connect to: `host:port`, either of which may be `*`. */
  readonly permitOpen?: readonly string[] | undefined;
  /** The only addresses that it may have the server listen on: `[host:]port`, the port perhaps `*`. */
  readonly permitListen?: readonly string[] | undefined;
  /** Whether nobody need have touched the token that holds the key (`sk-` keys). */
  readonly noTouchRequired?: boolean;
  /** Whether the token that holds the key must have verified its user (`sk-` keys). */
  readonly verifyRequired?: boolean;
}

/**
 * The answer of a policy that lets a user in under conditions, instead of `true`: what
 * `authorized_keys` says beside a key. It is a class so that no other object passes for one.
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
  /** What runs whatever the client asks for, or undefined. */
  readonly command: string | undefined;
  /** Variables for what runs. */
  readonly environment: Readonly<Record<string, string>>;
  /** Whether a terminal may be asked for. */
  readonly pty: boolean;
  /** Whether the client may lend its agent. */
  readonly agentForwarding: boolean;
  /** Whether the client may lend its display. */
  readonly x11Forwarding: boolean;
  /** Whether the client may have tunnels at all. */
  readonly portForwarding: boolean;
  /** The only addresses that it may connect to, or undefined. */
  readonly permitOpen: readonly string[] | undefined;
  /** The only addresses that it may have the server listen on, or undefined. */
  readonly permitListen: readonly string[] | undefined;
  /** Whether nobody need have touched the token that holds the key. */
  readonly noTouchRequired: boolean;
  /** Whether the token that holds the key must have verified its user. */
  readonly verifyRequired: boolean;

  /** Creates a grant; without options it allows what the server does. */
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
   * What both grants allow; null if they force different commands, so that nothing can run.
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
      // What one of them forces runs without what the other sets: variables can make it another command.
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

/** What is in both lists, word for word; a list that is not given restricts nothing. */
function common(
  one: readonly string[] | undefined,
  other: readonly string[] | undefined,
): readonly string[] | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one.filter((entry) => other.includes(entry));
}
