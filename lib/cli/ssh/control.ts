/** `ssh -O`: sends a command to a running control master. */
import { ConnectError } from "../../errors.ts";
import { ControlSocket, hasControlSocket } from "../../login/control_socket.ts";
import { Log } from "../shared/log.ts";
import type { SshOptions } from "../shared/ssh_options.ts";

/** The commands of -O that are supported. */
export const CONTROL_COMMANDS = ["check", "exit", "stop"] as const;
/** A command of -O. */
export type ControlCommand = typeof CONTROL_COMMANDS[number];

/**
 * Sends a command to the control master at ControlPath.
 *
 * @throws {ConnectError} If there is no master, or it refuses
 */
export async function control(
  command: ControlCommand,
  { ControlPath: path }: SshOptions,
  log: Log,
): Promise<void> {
  if (!path) throw new ConnectError('No ControlPath specified for "-O" command');
  if (!await hasControlSocket(path)) {
    throw new ConnectError(`Control socket connect(${path}): No such file or directory`);
  }
  using master = await ControlSocket.open(path);
  switch (command) {
    case "check":
      // Printed even with -q, because it is the answer to the command.
      return new Log().show(`Master running (pid=${await master.check()})`);
    case "exit":
      await master.exit();
      return log.show("Exit request sent.");
    case "stop":
      await master.stop();
      return log.show("Stop listening request sent.");
  }
}
