import type { Channel } from "../connection/channel.ts";
import type { X11Forward } from "../connection/x11_forward.ts";
import type { X11Authority } from "../connection/x11_setup.ts";
import { ConnectError } from "../errors.ts";
import { tell } from "../listener.ts";
import { runtime } from "../runtime/runtime.ts";
import { findAuthority } from "./x11_authority.ts";
import { joinDisplay, parseDisplay } from "./x11_display.ts";

/** Options for forwarding a display. */
export interface DisplayOptions {
  /** The display, such as `":0"`; that of DISPLAY unless given. */
  readonly display?: string;
  /** The display's secret, null for none; from XAUTHORITY or `~/.Xauthority` unless given. */
  readonly authority?: X11Authority | null;
  /** Whether to accept only one connection; any number unless given. */
  readonly single?: boolean;
  /** Called with the error of a single connection; for logs. */
  readonly onError?: (error: unknown) => void;
}

/**
 * Forwards a display on this side to the program of a session.
 *
 * @throws {ConnectError} If there is no display
 * @throws {RequestDeniedError} If the server refuses
 */
export async function lendDisplay(
  channel: Channel,
  options: DisplayOptions & { readonly signal?: AbortSignal },
): Promise<X11Forward> {
  const name = options.display ?? runtime.env.get("DISPLAY");
  if (!name) throw new ConnectError("There is no display: DISPLAY is not set");
  const display = parseDisplay(name);
  const { authority = await findAuthority(display), single, signal } = options;
  return await channel.requestX11({
    screen: display.screen,
    signal,
    ...(single !== undefined && { single }),
    ...(authority !== null && { authority }),
    handler: async (conn) => {
      try {
        await joinDisplay(conn, display);
      } catch (error) {
        tell(options.onError, error);
        throw error;
      }
    },
  });
}
