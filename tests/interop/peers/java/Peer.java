import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Foreign SSH clients and a server for the tests, over Apache MINA SSHD, JSch and sshj. Arguments: the
 * library, "client" or "server", and settings as alternating names and values.
 */
public class Peer {
  public static void main(String[] words) {
    Settings settings = new Settings(Arrays.asList(words).subList(2, words.length));
    try {
      if (words[1].equals("server")) {
        MinaServer.serve(settings);
      } else {
        System.exit(act(words[0], settings));
      }
    } catch (Exception error) {
      error.printStackTrace();
      System.exit(254);
    }
  }

  private static int act(String library, Settings settings) throws Exception {
    List<String> args = settings.list("args");
    try (Client client = connect(library, settings)) {
      System.err.println("agreed " + client.agreed());
      switch (settings.text("action")) {
        case "exec":
          return client.exec(args.get(0));
        case "dial":
          client.dial(args.get(0), Integer.parseInt(args.get(1)));
          return 0;
        case "put":
          client.put(args.get(0), args.get(1));
          return 0;
        case "get":
          client.get(args.get(0), args.get(1));
          return 0;
        case "list":
          client.files().list(args.get(0)).forEach(System.out::println);
          return 0;
        case "everything":
          Everything.run(client.files(), args.get(0));
          return 0;
        default:
          throw new IllegalArgumentException(settings.text("action"));
      }
    }
  }

  private static Client connect(String library, Settings settings) throws Exception {
    switch (library) {
      case "jsch":
        return new JschClient(settings);
      case "sshj":
        return new SshjClient(settings);
      case "mina":
        return new MinaClient(settings);
      default:
        throw new IllegalArgumentException(library);
    }
  }

  /** Settings by name; the elements of a list are separated by line breaks. */
  static class Settings {
    private final Map<String, String> values = new HashMap<>();

    Settings(List<String> words) {
      for (int i = 0; i < words.size(); i += 2) values.put(words.get(i), words.get(i + 1));
    }

    String text(String name) {
      return values.get(name);
    }

    int port() {
      return Integer.parseInt(text("port"));
    }

    /** Null if it is not set. */
    List<String> list(String name) {
      String text = text(name);
      return text == null ? null : Arrays.asList(text.split("\n"));
    }
  }

  /** A connection after the login. */
  interface Client extends AutoCloseable {
    /** The negotiated algorithms. */
    String agreed();

    /** Runs a command with the standard streams; returns its exit code. */
    int exec(String command) throws Exception;

    /** Connects the standard streams to an address beyond the server. */
    void dial(String host, int port) throws Exception;

    void put(String local, String remote) throws Exception;

    void get(String remote, String local) throws Exception;

    Files files() throws Exception;
  }

  /** The server's files, by the requests that all libraries have. */
  interface Files {
    void write(String path, byte[] data) throws Exception;

    void append(String path, byte[] data) throws Exception;

    byte[] read(String path) throws Exception;

    void mkdir(String path) throws Exception;

    void rename(String from, String to) throws Exception;

    void symlink(String target, String link) throws Exception;

    String readlink(String path) throws Exception;

    void chmod(String path, int mode) throws Exception;

    void setTime(String path, int seconds) throws Exception;

    /** Mode bits, size and seconds of the last change; null if there is no such file. */
    long[] stat(String path) throws Exception;

    /** The names in a folder, without "." and "..". */
    List<String> list(String path) throws Exception;

    void remove(String path) throws Exception;

    void rmdir(String path) throws Exception;
  }
}
