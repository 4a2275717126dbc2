/**
 * Decodes the user of an `ssh://` URI like OpenSSH: `%40` is a byte, `+` a space, and connection parameters
 * after a semicolon are removed. Null if the encoding is malformed or the name is empty.
 */
export function decodeUser(text: string): string | null {
  const [name = ""] = text.split(";", 1);
  try {
    const user = decodeURIComponent(name.replaceAll("+", " "));
    return user === "" || user.includes("\0") ? null : user;
  } catch {
    return null;
  }
}
