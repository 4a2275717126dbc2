/** Windows of tmux, in which programs have a terminal that is typed at, resized and looked at. */
import { assertEquals } from "@std/assert";
import { run } from "../../support/run.ts";

/** A window of tmux with a program in it. */
export class Screen implements AsyncDisposable {
  readonly #socket: string;

  constructor(socket: string) {
    this.#socket = socket;
  }

  /** Runs a command of tmux's. */
  async tmux(...args: string[]): Promise<string> {
    const ran = await run("tmux", ["-S", this.#socket, "-f", "/dev/null", ...args]);
    assertEquals(ran.code, 0, ran.stderr);
    return ran.text;
  }

  keys(...keys: string[]): Promise<string> {
    return this.tmux("send-keys", ...keys);
  }

  /** Waits until the window shows a text, and types the keys again every second until it does. */
  async shows(wanted: RegExp, ...keys: string[]): Promise<string> {
    let shown = "";
    for (let tries = 0; tries < 1200; tries++) {
      if (keys.length > 0 && tries % 20 === 0) await this.keys(...keys);
      shown = await this.tmux("capture-pane", "-p");
      if (wanted.test(shown)) return shown;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`The window does not show ${wanted}:\n${shown}`);
  }

  async [Symbol.asyncDispose]() {
    await run("tmux", ["-S", this.#socket, "kill-server"]);
  }
}
