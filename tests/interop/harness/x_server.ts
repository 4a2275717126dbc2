/** A headless X server for the tests of X11. */
import { requirePeer } from "./peers.ts";
import { Program } from "../../support/program.ts";
import { must } from "../../support/run.ts";
import { tempFolder } from "../../support/temp.ts";

/** A running X server that requires a cookie. */
export interface XServer extends AsyncDisposable {
  /** Its name, such as `":99"`. */
  readonly display: string;
  /** Its cookie, in hexadecimal. */
  readonly cookie: string;
  /** The variables with which X clients find it. */
  readonly env: { readonly DISPLAY: string; readonly XAUTHORITY: string };
}

/** Starts one on a new display. */
export async function startXServer(): Promise<XServer> {
  await using stack = new AsyncDisposableStack();
  const [xvfb, xauth] = await Promise.all([requirePeer("Xvfb"), requirePeer("xauth")]);
  const folder = stack.use(await tempFolder());
  const cookie = crypto.getRandomValues(new Uint8Array(16)).toHex();
  const authority = folder.join("Xauthority");
  const add = async (display: string) =>
    await must(xauth, ["-q", "-f", authority, "add", display, ".", cookie]);
  await add(":0"); // the server accepts the cookies of any display
  const server = stack.use(
    new Program(xvfb, {
      args: [
        "-displayfd",
        "1",
        "-auth",
        authority,
        "-noreset",
        "-nolisten",
        "tcp",
        "-screen",
        "0",
        "320x200x8",
      ],
    }),
  );
  const display = `:${(await server.waitFor(/^(\d+)$/m))[1]}`;
  await add(display);
  const parts = stack.move();
  return {
    display,
    cookie,
    env: { DISPLAY: display, XAUTHORITY: authority },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
