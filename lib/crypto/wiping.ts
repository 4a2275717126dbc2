/** Makes one secret of another, which is wiped. */
export function wiping(
  secret: Uint8Array,
  use: (secret: Uint8Array) => Uint8Array,
): Uint8Array {
  try {
    return use(secret);
  } finally {
    secret.fill(0);
  }
}
