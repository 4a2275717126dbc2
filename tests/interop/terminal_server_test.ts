/** Terminals of our server, with programs that need one, in a window that is recorded and resized. */
import { assert, assertEquals } from "@std/assert";
import { connect, none } from "@denossh/ssh";
import { systemShell } from "@denossh/ssh/server";
import { configFlags } from "../support/ssh_flags.ts";
import { run } from "../support/run.ts";
import { tempFolder } from "../support/temp.ts";
import { startOurs } from "./harness/ours.ts";
import { peerTest } from "./harness/peers.ts";
import { Screen } from "./harness/screen.ts";

await peerTest(
  ["ssh", "tmux", "script", "vi"],
  "ssh -t at our server: a shell, Ctrl-C, job control, vim, a new size and an exit code",
  async () => {
    await using folder = await tempFolder();
    const shell = systemShell({ shell: "/bin/bash", cwd: folder.path, env: { PS1: "READY$ " } });
    await using server = await startOurs({ pty: true }, ["ed25519"], shell);
    await using screen = new Screen(folder.join("socket"));
    const ssh = ["ssh", ...configFlags(server), "-tt", `${server.user}@${server.hostname}`];
    const command = `${ssh.map((word) => `'${word}'`).join(" ")}; echo "code $?"; sleep 60`;
    await screen.tmux("new-session", "-d", "-x", "90", "-y", "20", command);
    await screen.keys("PS1='READY$ '; clear", "Enter");
    await screen.shows(/^READY\$/);
    await screen.keys("tty; stty size", "Enter");
    await screen.shows(/\/dev\/pts\/\d+\n20 90\n/);
    // A program in a separate process group reports its start, since bash itself would ignore the keys.
    await screen.keys("clear; sh -c 'echo begun 1; exec sleep 1000'", "Enter");
    await screen.shows(/^begun 1$/m);
    await screen.keys("C-c");
    await screen.shows(/\^C\n+READY/);
    await screen.keys("clear; sh -c 'echo begun 2; exec sleep 1000'", "Enter");
    await screen.shows(/^begun 2$/m);
    await screen.keys("C-z");
    await screen.shows(/Stopped/);
    await screen.keys("kill %1; clear; vi -u NONE -n note", "Enter");
    await screen.shows(/"note" \[New/);
    await screen.keys("i", "hello", "Escape", ":w", "Enter");
    await screen.shows(/note.*(1L|written)/);
    await screen.tmux("resize-window", "-x", "70", "-y", "30");
    // The keys may reach vi before the new size does, and drawing itself anew wipes its answer away.
    await screen.shows(/columns=70/, ":set columns?", "Enter");
    await screen.shows(/lines=30/, ":set lines?", "Enter");
    await screen.keys(":q", "Enter");
    await screen.shows(/READY\$/);
    await screen.keys("clear; cat note; stty size; rm note", "Enter");
    await screen.shows(/hello\n30 70\n/);
    await screen.keys("exit 7", "Enter");
    await screen.shows(/code 7/);
  },
);

await peerTest(
  ["script"],
  "Our client with a terminal of our server, and its clean-up",
  async () => {
    await using server = await startOurs({ pty: true, auth: { none: () => true } });
    const { hostname, port, user } = server;
    const host = await connect({
      ...{ hostname, port, user },
      auth: [none()],
      hostKeys: () => true,
      config: false,
    });
    const pty = { term: "vt220", columns: 101, rows: 33, modes: { ECHO: 0 } } as const;
    const command = host.command("tty; stty size; echo $TERM; stty; exit 9", { pty });
    const { code, stdout } = await command.output();
    const text = new TextDecoder().decode(stdout);
    assertEquals(code, 9);
    assert(/^\/dev\/pts\/\d+\r\n33 101\r\nvt220\r\n/.test(text), text);
    assert(text.includes("-echo"), text);
    const left = await host.command("echo $$; exec sleep 1000", { pty }).spawn();
    const pid = new TextDecoder().decode((await left.channel.readChunk())!).trim();
    await host.close();
    // Hanging up its terminal ends it.
    while ((await run("kill", ["-0", pid])).code === 0) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  },
);
