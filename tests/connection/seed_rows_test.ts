/**
 * Checks that every feature of the seed, the Channel documentation that the project began with, has a
 * test with its name.
 */
import { assertEquals } from "@std/assert";

const ROWS = [
  ...["Channel", "__init__", "__repr__", "close", "exec_command", "exit_status_ready", "fileno"],
  ...["get_id", "get_name", "get_pty", "get_transport", "getpeername", "gettimeout"],
  ...["invoke_shell", "invoke_subsystem", "makefile", "makefile_stderr", "makefile_stdin", "recv"],
  ...["recv_exit_status", "recv_ready", "recv_stderr", "recv_stderr_ready"],
  ...["request_forward_agent", "request_x11", "resize_pty", "send", "send_exit_status"],
  ...["send_ready", "send_stderr", "sendall", "sendall_stderr", "set_combine_stderr"],
  ...["set_environment_variable", "set_name", "setblocking", "settimeout", "shutdown"],
  ...["shutdown_read", "shutdown_write", "update_environment", "open_only"],
  ...["ChannelFile", "ChannelStderrFile", "ChannelStdinFile"],
  // Features that the documentation presupposes: the transport, and the server's side.
  ...["accept", "global_request", "check_channel_request"],
];

Deno.test("Every feature of the seed has a test with its name", async () => {
  let names = "";
  for (const { name } of Deno.readDirSync(new URL(".", import.meta.url))) {
    if (name === "seed_rows_test.ts" || !name.endsWith("_test.ts")) continue;
    const text = await Deno.readTextFile(new URL(name, import.meta.url));
    names += [...text.matchAll(/(?:Deno\.test|inBothRoles)\(\s*["`]([^"`]*)["`]/g)]
      .map((match) => `${match[1]}\n`).join("");
  }
  const has = (row: string) => new RegExp(`^[^:]*\\b${row}\\b[^]*?$`, "m").test(names);
  assertEquals(ROWS.filter((row) => !has(row)), []);
});
