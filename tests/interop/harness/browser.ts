/** A headless Chromium, controlled by its DevTools protocol. */
import { Program } from "../../support/program.ts";
import { within } from "../../support/within.ts";
import { requirePeer } from "./peers.ts";

/** The limit for a page to show something. */
const SHOWN_MS = 30_000;

/** A page in the browser. */
export interface Page extends AsyncDisposable {
  /** Evaluates an expression in the page; awaits it if it is a promise. */
  evaluate<T>(expression: string): Promise<T>;
  /** Reloads it; the storage of the browser stays. */
  reload(): Promise<void>;
  /** Waits until the text of an element matches; the element may come later. */
  shown(selector: string, pattern: RegExp): Promise<void>;
  /** Types text, character by character; "\r" is Enter. */
  type(text: string): Promise<void>;
  /** Sets the size of the window in pixels. */
  resize(width: number, height: number): Promise<void>;
  /** A picture of the page, as PNG. */
  screenshot(): Promise<Uint8Array>;
}

interface Answer {
  readonly id?: number;
  readonly method?: string;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

/** Opens a page in a new browser. */
export async function openPage(url: string): Promise<Page> {
  await using stack = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "denossh-" });
  stack.defer(() => removeFolder(folder));
  const browser = stack.use(
    new Program(await requirePeer("chromium"), {
      args: [
        "--headless",
        "--no-sandbox", // required to start as root
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--no-first-run",
        "--remote-debugging-port=0",
        `--user-data-dir=${folder}`,
        "about:blank",
      ],
      env: { HOME: folder },
    }),
  );
  const [, address] = await browser.waitFor(/DevTools listening on (ws:\S+)/);
  const socket = new WebSocket(address!);
  stack.defer(() => socket.close());
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = reject;
  });
  const waiting = new Map<number, (answer: Answer) => void>();
  socket.onmessage = ({ data }) => {
    const answer: Answer = JSON.parse(data);
    if (answer.id !== undefined) waiting.get(answer.id)?.(answer);
  };
  let last = 0;
  const session: { sessionId?: unknown } = {}; // the page, once there is one
  const call = async (method: string, params: object = {}): Promise<Record<string, unknown>> => {
    const id = ++last;
    const { promise, resolve } = Promise.withResolvers<Answer>();
    waiting.set(id, resolve);
    socket.send(JSON.stringify({ id, method, params, ...session }));
    const { result, error } = await promise;
    waiting.delete(id);
    if (error) throw new Error(`${method}: ${error.message}`);
    return result!;
  };
  const { targetId } = await call("Target.createTarget", { url: "about:blank" });
  Object.assign(session, await call("Target.attachToTarget", { targetId, flatten: true }));
  await call("Page.enable");
  const evaluate = async <T>(expression: string): Promise<T> => {
    const options = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await call("Runtime.evaluate", options);
    if (exceptionDetails) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
    return (result as { value: T }).value;
  };
  const load = async () => {
    await call("Page.navigate", { url }); // answered when the new document is loaded
    await evaluate(`document.readyState === "complete" ||
      new Promise((resolve) => addEventListener("load", () => resolve(true)))`);
  };
  await load();
  const parts = stack.move();
  return {
    evaluate,
    reload: load,
    async shown(selector, pattern) {
      const look = `new Promise((resolve) => {
        const look = () => {
          const text = document.querySelector("${selector}")?.innerText.replaceAll("\\u00a0", " ");
          if (text !== undefined && ${pattern}.test(text.trim())) resolve(true);
        };
        new MutationObserver(look).observe(document, { childList: true, subtree: true, characterData: true });
        look();
      })`;
      await within(evaluate(look), `${pattern} in "${selector}"`, SHOWN_MS).catch(async (cause) => {
        throw new Error(await evaluate("document.body.innerText"), { cause });
      });
    },
    async type(text) {
      for (const char of text) await call("Input.dispatchKeyEvent", { type: "char", text: char });
    },
    async resize(width, height) {
      const metrics = { width, height, deviceScaleFactor: 1, mobile: false };
      await call("Emulation.setDeviceMetricsOverride", metrics);
    },
    async screenshot() {
      const { data } = await call("Page.captureScreenshot", { format: "png" });
      return Uint8Array.fromBase64(data as string);
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** Chromium's other processes may write to its folder for a moment after it has ended. */
async function removeFolder(path: string): Promise<void> {
  for (let tries = 1;; tries++) {
    try {
      return await Deno.remove(path, { recursive: true });
    } catch (error) {
      if (tries === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
