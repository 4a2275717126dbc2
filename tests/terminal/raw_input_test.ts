/** The mode of the terminal is restored when the program ends without its clean-up. */
import { assertEquals } from "@std/assert";
import { rawInput } from "../../lib/terminal/raw_input.ts";
import { FakeTerminal } from "../support/fake_terminal.ts";

Deno.test("Raw input is restored when the program exits or fails, unless the error was handled", () => {
  for (
    const [event, restored] of [["unload", true], ["error", true], ["handled", false]] as const
  ) {
    using terminal = new FakeTerminal();
    using _raw = rawInput();
    const happened = new Event(event === "handled" ? "unhandledrejection" : event, {
      cancelable: true,
    });
    if (event === "handled") happened.preventDefault();
    // Listeners of the test runner would end the run.
    const stop = (e: { stopImmediatePropagation(): void }) => e.stopImmediatePropagation();
    globalThis.addEventListener(happened.type, stop);
    globalThis.dispatchEvent(happened);
    globalThis.removeEventListener(happened.type, stop);
    assertEquals(terminal.modes, restored ? [true, false] : [true]);
  }
});
