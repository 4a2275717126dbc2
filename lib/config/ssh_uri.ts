/**
 * The user of an `ssh://` URI, as OpenSSH decodes it: `%40` is a byte, `+` a space, and what follows a
 * semicolon is about the connection. Null if the encoding is malformed or no name is left.
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
