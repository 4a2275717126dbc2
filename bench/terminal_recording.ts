/**
 * Makes docs/terminal.svg: what a window of tmux shows while OpenSSH's `ssh -t` is logged in to
 * `denossh serve --exec`. Run `deno run -A bench/terminal_recording.ts` again after a change of terminals.
 */
import { Screen } from "../tests/interop/harness/screen.ts";
import { tempFolder } from "../tests/support/temp.ts";
import { startOwnCli } from "./peers/own_cli.ts";

const TARGET = new URL("../docs/terminal.svg", import.meta.url);
const CELL = { width: 7.8, height: 17 };
const GAP = 14;
const COLUMNS = 2;

interface Frame {
  readonly caption: string;
  readonly size: readonly [columns: number, rows: number];
  readonly text: string;
}

async function record(): Promise<Frame[]> {
  await using folder = await tempFolder();
  await using server = await startOwnCli(["--exec", "--root", folder.path]);
  const config = await folder.write(
    "config",
    `Host server
  HostName ${server.hostname}
  Port ${server.port}
  User ${server.user}
  IdentityFile ${server.identity}
  IdentitiesOnly yes
  UserKnownHostsFile ${await folder.write(
      "known",
      `[${server.hostname}]:${server.port} ${server.hostKey}\n`,
    )}
`,
  );
  const rc = await folder.write(
    "rc",
    `PS1='laptop$ '; ssh() { command ssh -F ${config} -o LogLevel=ERROR "$@"; }\n`,
  );
  await using screen = new Screen(folder.join("socket"));
  const frames: Frame[] = [];
  let size: Frame["size"] = [64, 13];
  const keep = async (caption: string, wanted: RegExp, ...keys: string[]) => {
    frames.push({ caption, size, text: await screen.shows(wanted, ...keys) });
  };
  const [x, y] = size.map(String);
  await screen.tmux("new-session", "-d", "-x", x!, "-y", y!, `bash --rcfile ${rc} -i`);
  await screen.shows(/^laptop\$/);
  await screen.keys("ssh -t server", "Enter");
  await screen.shows(/^(?!laptop).*[$#]\s*$/m);
  await screen.keys("PS1='server$ '", "Enter");
  await screen.shows(/^server\$\s*$/m);
  await screen.keys("tty; stty size; sleep 1000", "Enter");
  await screen.shows(/^\d+ \d+$/m);
  await screen.keys("C-c");
  await screen.shows(/\^C\n+server\$/);
  await screen.keys("echo $?", "Enter");
  await keep("A terminal; Ctrl-C interrupts the command", /^130\nserver\$/m);
  await screen.keys("clear; vim -u NONE note", "Enter");
  await screen.shows(/"note" \[New/);
  await screen.keys("i", "written in vim, by ssh -t", "Escape", ":w", "Enter");
  await screen.shows(/26 ?(B|bytes)/);
  await keep("vim, in 64 columns and 13 rows", /^64 13/m, ":echo &columns &lines", "Enter");
  size = [50, 17];
  await screen.tmux("resize-window", "-x", "50", "-y", "17");
  await keep(
    "The window has a new size, and so has vim",
    /^50 17/m,
    ":echo &columns &lines",
    "Enter",
  );
  await screen.keys(":q", "Enter");
  await screen.shows(/server\$\s*$/);
  await screen.keys("clear; cat note; stty size; exit 7", "Enter");
  await screen.shows(/^laptop\$\s*$/m);
  await screen.keys("echo $?", "Enter");
  await keep("The exit code of the session", /^7\nlaptop\$/m);
  return frames;
}

function draw(frames: readonly Frame[]): string {
  const width = Math.max(...frames.map(({ size }) => size[0])) * CELL.width + 2 * GAP;
  const height = Math.max(...frames.map(({ size }) => size[1])) * CELL.height + 3 * GAP;
  const rows = Math.ceil(frames.length / COLUMNS);
  const panels = frames.map((frame, i) =>
    `<g transform="translate(${i % COLUMNS * width},${Math.floor(i / COLUMNS) * (height + GAP)})">
${panel(frame)}</g>`
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${COLUMNS * width} ${
    rows * (height + GAP)
  }" font-size="13">
<rect width="100%" height="100%" fill="white"/>
${panels.join("\n")}
</svg>
`;
}

function panel({ caption, size: [columns, rows], text }: Frame): string {
  const lines = text.trimEnd().split("\n").map((line, row) =>
    line === ""
      ? ""
      : `<tspan x="${GAP + 6}" y="${(44 + row * CELL.height).toFixed(0)}">${
        escaped(line)
      }</tspan>\n`
  );
  return `<text x="${GAP}" y="20" font-family="sans-serif">${caption}</text>
<rect x="${GAP}" y="28" width="${(columns * CELL.width + 12).toFixed(0)}" height="${
    rows * CELL.height + 8
  }" rx="4" fill="#1e1e1e"/>
<text font-family="monospace" fill="#e6e6e6" xml:space="preserve">
${lines.join("")}</text>
`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

if (import.meta.main) {
  await Deno.writeTextFile(TARGET, draw(await record()));
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "-q", TARGET.pathname] }).output();
}
