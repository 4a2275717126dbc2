/** Systems choose ports for port 0 and for outgoing connections above these. */
const [FIRST, COUNT] = [15_000, 15_000];

/**
 * Returns a TCP port on loopback where nothing listens: for programs that cannot choose their own, or as a
 * port that refuses. Tests in parallel get it neither from this function again, unless by a rare chance, nor
 * from the system.
 */
export function freePort(): number {
  while (true) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}
